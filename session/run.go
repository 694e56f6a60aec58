// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

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

// RunOf returns the Run of the frames in buf, one after the other, in place; for tests and
// for forwarders whose messages come from elsewhere. Frames that cannot be in one Run are an
// error.
func RunOf(buf *transport.Buffer) (Run, error) {
	in := inbox{buf: buf}
	r := Run{b: buf.Bytes(), buf: buf}
	for in.more() {
		b := in.peek()
		if !alike(r.b, b) {
			return Run{}, status.Errorf(status.InvalidArgument, "message %d is of another kind or route, or malformed", r.n)
		}
		size, c := measure(b)
		r.n, r.cost = r.n+1, r.cost+c
		in.skip(size)
	}
	return r, nil
}

// Payload returns that of the first message.
func (r *Run) Payload() []byte {
	_, payload, _ := head(r.b)
	return payload
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

// Copy is Keep with memory of its own.
func (r *Run) Copy() Run {
	own := *r
	own.buf, own.owned = transport.CopyBuffer(r.b), true
	own.b = own.buf.Bytes()
	return own
}

// Within returns how many messages, from the first on, have at most so many bytes if each
// counts extra bytes besides its frame.
func (r *Run) Within(bytes, extra int) (n int) {
	for at := 0; n < r.n; n++ {
		size, _ := measure(r.b[at:])
		if at += size; at+(n+1)*extra > bytes {
			break
		}
	}
	return n
}

// Release gives back what Keep or Copy has made.
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

// begins reports whether every message of r begins before the limit of a window of which so
// much is used.
func (r *Run) begins(used, limit uint64) bool {
	if used+r.cost <= limit {
		return true
	}
	return used < limit && r.within(limit-used).n == r.n
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
	o.bytes += uint64(len(r.b))
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

// head returns what a receiver needs of the frame that b begins with, and its length. It was
// looked at when it came.
func head(b []byte) (h wire.Header, payload []byte, size int) {
	_ = b[wire.HeaderSize-1]
	size = int(binary.LittleEndian.Uint32(b))
	h.Codec, h.Source, h.Sequence = b[6], binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	h.Bits = binary.LittleEndian.Uint32(b[36:])
	return h, b[wire.HeaderSize+8*int(b[7]) : size : size], size
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
