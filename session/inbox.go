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
		return b
	}
	v := b.View(in.at, in.at+n)
	in.skip(n)
	in.tidy()
	return v
}

// fill waits for frames. Before, it flushes what must not wait.
func (s *Session) fill() error {
	if s.inbox.more() {
		return nil
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
		s.inbox.n = 0
	}
}

// Run is messages of one kind that came together by one route, or as items of one stream:
// whole frames one after the other, none of them a fragment. It is valid until the function
// it was given to returns, except for what Keep has kept. A Run is passed by value.
type Run struct {
	b     []byte
	n     int
	cost  uint64
	buf   *transport.Buffer // in which b is
	owned bool              // buf is a reference of whoever has the Run
}

// Len returns how many messages it has.
func (r *Run) Len() int { return r.n }

// Cost returns what the messages take from a window, all together.
func (r *Run) Cost() uint64 { return r.cost }

// Size returns the bytes of the whole frames.
func (r *Run) Size() int { return len(r.b) }

// Keep returns a Run of the same messages that stays valid until its Release, and needs
// little more memory than it must.
func (r *Run) Keep() Run {
	own := *r
	own.owned = true
	switch i := offset(r.buf.Bytes(), r.b); {
	case r.owned:
		own.buf = r.buf.Retain()
	default:
		own.buf = r.buf.View(i, i+len(r.b)).Compact()
		own.b = own.buf.Bytes()
	}
	return own
}

// Release gives back what Keep has kept.
func (r *Run) Release() { r.buf.Release() }

// Split cuts a Run in two after n messages, at least one and not all. Both stand on the one
// reference that r has.
func (r *Run) Split(n int) (head, tail Run) {
	head, tail = *r, *r
	at, cost := 0, uint64(0)
	for range n {
		size, c := measure(r.b[at:])
		at, cost = at+size, cost+c
	}
	head.b, head.n, head.cost = r.b[:at], n, cost
	tail.b, tail.n, tail.cost = r.b[at:], r.n-n, r.cost-cost
	return head, tail
}

// within returns the messages of r, from the first on, of which the last begins within a
// window's room.
func (r *Run) within(room uint64) Run {
	fit := *r
	fit.n, fit.cost = 0, 0
	at := 0
	for fit.n < r.n && fit.cost < room {
		size, c := measure(r.b[at:])
		at, fit.n, fit.cost = at+size, fit.n+1, fit.cost+c
	}
	fit.b = r.b[:at]
	return fit
}

// appendRunLocked appends the messages of r as frames of another kind: h says of which call,
// route and source; the rest of it is not looked at.
func (s *Session) appendRunLocked(r Run, h wire.Header) {
	o := &s.out
	if o.closed {
		return
	}
	at := len(o.buf)
	o.buf = append(o.buf, r.b...)
	for at < len(o.buf) {
		at += wire.Redirect(o.buf[at:], &h)
	}
	o.frames += uint64(r.n)
	s.appendedLocked()
}

// measure returns the length of the first frame of b, and what its message costs.
func measure(b []byte) (size int, price uint64) {
	size = int(binary.LittleEndian.Uint32(b))
	return size, cost(size - wire.HeaderSize - 8*int(b[7]))
}

// routeOf returns the route of the frame that b begins with.
func routeOf(b []byte) uint32 { return binary.LittleEndian.Uint32(b[12:]) }

// offset returns where part lies in whole.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// Each calls f for every message. The Frame is valid until f returns.
func (r *Run) Each(f func(*Frame)) {
	for rest := *r; rest.n > 0; {
		fr := rest.shift()
		f(&fr)
	}
}

// shift takes the first message out.
func (r *Run) shift() Frame {
	size, c := measure(r.b)
	var f Frame
	f.Header, f.Ext, f.Payload, _ = wire.ParseFrame(r.b[:size:size]) // it was looked at when it came
	f.buf, f.at, f.part = r.buf, offset(r.buf.Bytes(), r.b), true
	r.b, r.n, r.cost = r.b[size:], r.n-1, r.cost-c
	return f
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
