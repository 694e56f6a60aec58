// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// inbox is the frames that came together and wait for their turn, one after the other in a
// Buffer. It belongs to who reads, and goes on with the receiver role.
type inbox struct {
	buf *transport.Buffer // nil: nothing waits
	at  int               // where the next frame begins
	n   uint64            // frames taken since the last count
	sum uint64            // and their bytes
}

// put takes over b, which holds whole frames, at least one.
func (in *inbox) put(b *transport.Buffer) { in.buf, in.at = b, 0 }

// peek returns the next frame; a malformed one comes as all that is left.
func (in *inbox) peek() []byte {
	b := in.buf.Bytes()[in.at:]
	if len(b) >= 4 {
		if n := int(binary.LittleEndian.Uint32(b)); n >= 4 && n < len(b) {
			return b[:n:n]
		}
	}
	return b
}

// skip goes on to what follows the next n bytes.
func (in *inbox) skip(n int) {
	in.at += n
	in.n++
	in.sum += uint64(n)
}

// more reports whether another frame waits.
func (in *inbox) more() bool { return in.buf != nil && in.at < in.buf.Len() }

// tidy releases a Buffer of which every frame was taken.
func (in *inbox) tidy() {
	if in.buf != nil && in.at >= in.buf.Len() {
		in.buf.Release()
		in.buf = nil
	}
}

// next takes the next frame out, with a reference of the caller's own.
func (in *inbox) next() *transport.Buffer {
	b, n := in.buf, len(in.peek())
	if n == b.Len() {
		in.buf = nil
		in.n++
		in.sum += uint64(n)
		return b
	}
	v := b.View(in.at, in.at+n)
	in.skip(n)
	in.tidy()
	return v
}

// countSoon is how many frames may be taken before they are counted, if there is no pause:
// the counts are a sign of life.
const countSoon = 4 << 10

// fill waits for frames. Before, it flushes what must not wait.
func (s *Session) fill() error {
	if s.inbox.more() {
		return nil
	}
	if s.inbox.n >= countSoon {
		s.countReceived() // there was no pause for long
	}
	var b *transport.Buffer
	var err error
	if s.batcher != nil {
		b, err = s.batcher.RecvBatch()
	} else {
		b, err = s.conn.Recv()
	}
	if err == nil {
		s.inbox.put(b)
		s.mid.over()
	}
	return err
}

// frameReady reports whether a frame can be had without a system call.
func (s *Session) frameReady() bool {
	return s.inbox.more() || s.ready != nil && s.ready.Ready()
}

// countReceived adds the frames taken to the session's counts.
func (s *Session) countReceived() {
	if s.inbox.n > 0 {
		s.received.Add(s.inbox.n)
		s.receivedBytes.Add(s.inbox.sum)
		s.inbox.n, s.inbox.sum = 0, 0
	}
}

// gather makes a Run of f, the frame just taken out of the inbox, and of those after it that
// are of the same kind, route and id, as long as the credit lasts; last is the lane sequence
// of the last. They are taken out, too.
func (s *Session) gather(f *Frame, credit uint64) (r Run, last uint64) {
	in := &s.inbox
	all := in.buf.Bytes()
	start := in.at - int(f.Length)
	r = Run{buf: in.buf, n: 1, cost: cost(len(f.Payload))}
	last = f.Sequence
	for in.at < len(all) && r.cost < credit {
		b := in.peek()
		if !alike(all[start:], b) {
			break
		}
		size, c := measure(b)
		if size-wire.HeaderSize > s.cfg.MaxMessage {
			break
		}
		r.n, r.cost, last = r.n+1, r.cost+c, binary.LittleEndian.Uint64(b[24:])
		in.skip(size)
	}
	r.b = all[start:in.at]
	return r, last
}

// alike reports whether frame b can be in a Run with frame a.
func alike(a, b []byte) bool {
	return len(b) >= wire.HeaderSize && int(binary.LittleEndian.Uint32(b)) == len(b) &&
		b[4] == a[4] && b[5] == a[5] &&
		binary.LittleEndian.Uint64(b[8:]) == binary.LittleEndian.Uint64(a[8:]) && // id and route
		wire.HeaderSize+8*int(b[7]) <= len(b)
}
