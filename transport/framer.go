// SPDX-License-Identifier: Apache-2.0

package transport

import "encoding/binary"

// Framer cuts a byte stream into frames for a Conn that reads from one. It borrows a
// chunk from the pool when there is something to read and gives it back when it is
// empty, so that an idle connection holds no memory. Frames are views of the chunk; a
// chunk of which views live on is left to them and another one is borrowed.
//
// The zero value is ready. A Framer belongs to the goroutine that receives.
//
//	for { f := fr.Next(); if f … return f;  n := read(fr.Space()); fr.Filled(n) }
type Framer struct {
	chunk *Buffer
	r, w  int // unread bytes are chunk[r:w]
}

// Next returns the next whole frame, owned by the caller, or nil if more bytes are needed
// first, or a *FrameError.
func (f *Framer) Next() (*Buffer, error) {
	n, err := f.length()
	if err != nil || n == 0 || f.w-f.r < n {
		return nil, err
	}
	v := f.chunk.View(f.r, f.r+n)
	f.r += n
	return v, nil
}

// Batch is Next for all whole frames that are there, one after the other.
func (f *Framer) Batch() (b *Buffer, frames int, err error) {
	end := f.r
	for {
		n, e := f.lengthAt(end)
		if n == 0 && end == f.r {
			return nil, 0, e
		}
		if n == 0 || f.w-end < n {
			break
		}
		end += n
		frames++
	}
	if frames == 0 {
		return nil, 0, nil
	}
	b = f.chunk.View(f.r, end)
	f.r = end
	return b, frames, nil
}

// Ready reports whether Next returns a frame or an error, not nil.
func (f *Framer) Ready() bool {
	n, err := f.length()
	return err != nil || n > 0 && f.w-f.r >= n
}

// Partial reports whether bytes of an incomplete frame are waiting: an end of the stream
// now is not a clean one.
func (f *Framer) Partial() bool { return f.w > f.r }

// Rest returns a copy of what is buffered and not yet cut off.
func (f *Framer) Rest() []byte {
	if f.chunk == nil {
		return nil
	}
	return append([]byte(nil), f.chunk.b[f.r:f.w]...)
}

// length returns the announced length of the frame at r, 0 if it is not known yet.
func (f *Framer) length() (int, error) { return f.lengthAt(f.r) }

func (f *Framer) lengthAt(r int) (int, error) {
	if f.w-r < 4 {
		return 0, nil
	}
	head := f.chunk.b[r:f.w]
	n := binary.LittleEndian.Uint32(head)
	if n < MinFrame || n > MaxFrame {
		return 0, &FrameError{Length: int64(n), Limit: MaxFrame, Head: append([]byte(nil), head[:min(len(head), 64)]...)}
	}
	return int(n), nil
}

// Space returns where to read into; it is never empty after Next has returned nil.
func (f *Framer) Space() []byte {
	if f.chunk == nil {
		f.chunk, f.r, f.w = NewBuffer(ChunkSize), 0, 0
	}
	if f.r == f.w && f.r > 0 && f.chunk.sole() {
		f.r, f.w = 0, 0
	}
	if !f.fits() {
		f.move()
	}
	return f.chunk.b[f.w:]
}

// fits reports whether the frame that starts at r can end within the chunk; while its
// length is unknown, whether a good deal can still be read.
func (f *Framer) fits() bool {
	if n, _ := f.length(); n > 0 {
		return f.r+n <= len(f.chunk.b)
	}
	return len(f.chunk.b)-f.w >= 4<<10
}

// move brings the unread rest to the start of a chunk nobody else looks at.
func (f *Framer) move() {
	to := f.chunk
	if !f.chunk.sole() || len(to.b) < ChunkSize { // see Wait
		to = NewBuffer(ChunkSize)
	}
	f.w = copy(to.b, f.chunk.b[f.r:f.w])
	f.r = 0
	if to != f.chunk {
		f.chunk.Release()
		f.chunk = to
	}
}

// Filled says that n bytes were read into Space.
func (f *Framer) Filled(n int) { f.w += n }

// Idle gives the chunk back if nothing is buffered. It is called before waiting.
func (f *Framer) Idle() {
	if f.chunk != nil && f.r == f.w {
		f.chunk.Release()
		f.chunk, f.r, f.w = nil, 0, 0
	}
}

// shortRest is how long the beginning of a frame may be that Wait moves elsewhere.
const shortRest = 4 << 10

// Wait is called before waiting for more bytes. It gives the chunk back, if nothing is
// buffered, or else a short beginning of a frame is all that is: that is kept in memory of
// its own length. So who begins a frame and does not go on costs little more than he sent.
// It reports whether the beginning of a frame is there, and whether the chunk is gone: then
// who cannot wait without a place to read into does so with a small one of his own.
func (f *Framer) Wait() (part, gone bool) {
	n := f.w - f.r
	if n == 0 {
		f.Idle()
		return false, true
	}
	if n <= shortRest && len(f.chunk.b) > shortRest {
		own := CopyBuffer(f.chunk.b[f.r:f.w])
		f.chunk.Release()
		f.chunk, f.r, f.w = own, 0, n
	}
	return true, len(f.chunk.b) <= shortRest
}

// Close drops what is buffered and gives the chunk back.
func (f *Framer) Close() {
	f.r = f.w
	f.Idle()
}
