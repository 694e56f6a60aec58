// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"encoding/binary"
	"fmt"

	"github.com/plexus-ipc/plexus/transport"
)

// producer writes records into this side's ring. It belongs to the goroutine that sends.
// This file is the hot path of the package.
type producer struct {
	own, peer *segment
	pos       uint64 // where the next record begins, counted from the start of time
	seen      uint64 // how far the peer had consumed when it was last looked at
	rung      uint32 // the sleep of the peer for which it was rung
}

// put writes one record if there is room for it.
func (t *producer) put(kind uint64, p []byte) (bool, error) {
	need := recordSize(len(p))
	at := t.pos & (t.own.size - 1)
	var skip uint64
	if at+need > t.own.size {
		skip = t.own.size - at
	}
	if ok, err := t.room(skip + need + recordAlign); !ok {
		return false, err
	}
	if skip > 0 {
		t.own.zero(0)
		t.own.head(at).Store(wrapMark | t.own.lapAt(t.pos))
		t.pos += skip
		at = 0
	}
	copy(t.own.bytes(at+recordHead, uint64(len(p))), p)
	t.own.zero(t.pos + need)
	t.own.head(at).Store(uint64(len(p)+1) | kind<<32 | t.own.lapAt(t.pos))
	t.pos += need
	return true, nil
}

// room reports whether n bytes are free. The peer's word is loaded once and believed only
// as far as it can be true.
func (t *producer) room(n uint64) (bool, error) {
	if t.pos+n-t.seen <= t.own.size {
		return true, nil
	}
	consumed := t.peer.consumed.Load()
	if consumed-t.seen > t.pos-t.seen {
		return false, fmt.Errorf("%w: it claims to have consumed %d of %d bytes, after %d", ErrPeer, consumed, t.pos, t.seen)
	}
	t.seen = consumed
	return t.pos+n-t.seen <= t.own.size, nil
}

// sleeper reports whether the peer's receiver sleeps and has not been rung for it yet.
func (t *producer) sleeper() bool {
	n := t.peer.sleep.Load()
	if n&1 == 0 || n == t.rung {
		return false
	}
	t.rung = n
	return true
}

// piece returns how much of p, which begins with a frame, becomes the next record.
func piece(p []byte) (n int, kind uint64, err error) {
	for n < len(p) {
		f, err := frameAt(p[n:])
		if err != nil {
			return 0, 0, err
		}
		if n > 0 && n+f > maxBatch {
			return n, kind, nil
		}
		if n > 0 {
			kind = kindBatch
		}
		n += f
	}
	return n, kind, nil
}

// frameAt returns the length of the frame that p begins with.
func frameAt(p []byte) (int, error) {
	if len(p) >= transport.MinFrame {
		n := int64(binary.LittleEndian.Uint32(p))
		if n >= transport.MinFrame && n <= transport.MaxFrame && n <= int64(len(p)) {
			return int(n), nil
		}
		return 0, &transport.FrameError{Length: n, Limit: min(transport.MaxFrame, int64(len(p))), Head: append([]byte(nil), p[:transport.MinFrame]...)}
	}
	return 0, &transport.FrameError{Length: int64(len(p)), Limit: transport.MaxFrame, Head: append([]byte(nil), p...)}
}

// consumer takes records out of the peer's ring. It belongs to the goroutine that receives.
type consumer struct {
	own, peer *segment
	pos       uint64 // where the next record begins
	told      uint64 // the position last published
	rung      uint32 // the wait of the peer for which it was rung

	batch *transport.Buffer // a copy of several frames, cut up from at on
	at    int
}

// ready reports whether next returns a frame or an error.
func (r *consumer) ready() bool {
	if r.batch != nil {
		return true
	}
	head := r.peer.head(r.pos).Load()
	if at := r.pos & (r.peer.size - 1); uint32(head) == wrapMark && at > 0 {
		head = r.peer.head(0).Load() // the mark comes before its record
	}
	return head != 0
}

// next returns the next frame, nil if there is none. Each word of the peer's is loaded
// once, bounds are checked before bytes are copied, and bytes are judged only after that.
func (r *consumer) next() (*transport.Buffer, error) {
	if r.batch != nil {
		return r.cut()
	}
	b, kind, err := r.record()
	if b != nil && kind == kindBatch {
		r.batch, r.at = b, 0
		return r.cut()
	}
	return b, err
}

// nextBatch returns the frames that are left of the last record, or those of the next one.
// A malformed frame in it is told before any of them is given out.
func (r *consumer) nextBatch() (*transport.Buffer, error) {
	if r.batch != nil {
		b := r.batch.View(r.at, r.batch.Len())
		r.drop()
		return whole(b)
	}
	b, kind, err := r.record()
	if b != nil && kind == kindBatch {
		return whole(b)
	}
	return b, err
}

// whole returns b if it consists of whole frames.
func whole(b *transport.Buffer) (*transport.Buffer, error) {
	p := b.Bytes()
	for at := 0; at < len(p); {
		n := int64(0)
		if len(p)-at >= transport.MinFrame {
			n = int64(binary.LittleEndian.Uint32(p[at:]))
		}
		if n < transport.MinFrame || n > int64(len(p)-at) {
			return nil, badFrame(b, at)
		}
		at += int(n)
	}
	return b, nil
}

// record returns a copy of the next record, nil if there is none.
func (r *consumer) record() (b *transport.Buffer, kind uint64, err error) {
	head := r.peer.head(r.pos).Load()
	if uint32(head) == wrapMark {
		at := r.pos & (r.peer.size - 1)
		if at == 0 || head&^wrapMark != r.peer.lapAt(r.pos) {
			return nil, 0, fmt.Errorf("%w: its ring has no end", ErrPeer)
		}
		r.pos += r.peer.size - at
		head = r.peer.head(r.pos).Load()
	}
	if head == 0 {
		return nil, 0, nil
	}
	n := uint64(uint32(head)) - 1             // of a word that is only half there: too much
	kind = (head ^ r.peer.lapAt(r.pos)) >> 32 // of another lap it is none
	at := r.pos & (r.peer.size - 1)
	if n < transport.MinFrame || n > transport.MaxFrame || at+recordHead+n > r.peer.size || kind > kindBatch {
		return nil, 0, fmt.Errorf("%w: a record of %d bytes and kind %d at %d", ErrPeer, int64(n), kind, at)
	}
	b = transport.NewBuffer(int(n))
	copy(b.Bytes(), r.peer.bytes(at+recordHead, n))
	r.pos += recordSize(int(n))
	if kind == kindBatch {
		return b, kind, nil
	}
	if got := binary.LittleEndian.Uint32(b.Bytes()); uint64(got) != n {
		return nil, 0, badFrame(b, 0)
	}
	return b, kind, nil
}

// cut returns the next frame of a batch.
func (r *consumer) cut() (*transport.Buffer, error) {
	rest := r.batch.Bytes()[r.at:]
	if len(rest) < transport.MinFrame {
		return nil, r.spoilt()
	}
	n := int64(binary.LittleEndian.Uint32(rest))
	if n < transport.MinFrame || n > int64(len(rest)) {
		return nil, r.spoilt()
	}
	v := r.batch.View(r.at, r.at+int(n))
	r.at += int(n)
	if r.at == r.batch.Len() {
		r.drop()
	}
	return v, nil
}

func (r *consumer) spoilt() error {
	b := r.batch
	r.batch = nil
	return badFrame(b, r.at)
}

// drop releases the batch, of which views may live on.
func (r *consumer) drop() {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
}

// badFrame describes a frame that is not as long as it says, and releases b.
func badFrame(b *transport.Buffer, at int) error {
	defer b.Release()
	rest := b.Bytes()[at:]
	e := &transport.FrameError{Length: int64(len(rest)), Limit: int64(len(rest)), Head: append([]byte(nil), rest[:min(64, len(rest))]...)}
	if len(rest) >= 4 {
		e.Length = int64(binary.LittleEndian.Uint32(rest))
	}
	return e
}

// due reports whether so much was consumed that the peer has to know.
func (r *consumer) due() bool { return r.pos-r.told >= r.peer.size/8 }

// tell publishes what was consumed, and reports whether the peer's sender waits for it and
// has not been rung yet.
func (r *consumer) tell() bool {
	if r.pos != r.told {
		r.told = r.pos
		r.own.consumed.Store(r.pos)
	}
	n := r.peer.wait.Load()
	if n&1 == 0 || n == r.rung {
		return false
	}
	r.rung = n
	return true
}
