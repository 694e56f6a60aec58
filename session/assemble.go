// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// assembly is a message of which some fragments have come. Memory grows with what was
// received, never with what was announced: the fragments are kept as they are, and copied
// once, when the length of the whole is known.
type assembly struct {
	first  wire.Header
	ext    []byte
	pieces []piece
	size   int  // of the payload so far
	held   int  // bytes of memory that it keeps
	skip   bool // too long: the rest is read and forgotten
}

// piece is a part of a payload: of a frame that is kept, or of own memory.
type piece struct {
	payload []byte
	buf     *transport.Buffer // nil for own memory
}

// Fragments shorter than shortPiece are put together in memory of ownPiece bytes, so that
// many short ones do not keep much more memory than they carry.
const (
	shortPiece = 16 << 10
	ownPiece   = 64 << 10
)

// add keeps a fragment.
func (a *assembly) add(f *Frame) {
	a.size += len(f.Payload)
	if len(f.Payload) >= shortPiece {
		buf := f.Take().Compact()
		b := buf.Bytes()
		a.pieces = append(a.pieces, piece{b[len(b)-len(f.Payload):], buf})
		a.held += 4 * len(f.Payload) // a view keeps its chunk, see Buffer.Compact
		return
	}
	for p := f.Payload; len(p) > 0; {
		last := len(a.pieces) - 1
		if last < 0 || a.pieces[last].buf != nil || len(a.pieces[last].payload) == ownPiece {
			a.pieces = append(a.pieces, piece{payload: make([]byte, 0, ownPiece)})
			a.held += ownPiece
			last++
		}
		own := &a.pieces[last]
		n := min(len(p), ownPiece-len(own.payload))
		own.payload = append(own.payload, p[:n]...)
		p = p[n:]
	}
}

// join returns the whole payload, in memory of its own, and lets go of the pieces.
func (a *assembly) join() []byte {
	whole := make([]byte, 0, a.size)
	for _, p := range a.pieces {
		whole = append(whole, p.payload...)
	}
	a.drop()
	return whole
}

func (a *assembly) drop() {
	for _, p := range a.pieces {
		if p.buf != nil {
			p.buf.Release()
		}
	}
	a.pieces, a.size, a.held = nil, 0, 0
}

// assemblyKey tells messages in pieces apart: there is one at a time per call and
// direction, and one per route.
func assemblyKey(h *wire.Header) uint64 {
	if h.ID != 0 {
		return uint64(h.ID)
	}
	return uint64(h.Route) << 32
}

// assemble adds a fragment and returns the whole message's Buffer, of the caller's, once
// it is complete; f then describes it. A frame that is no fragment comes back at once,
// with a reference of its own.
func (s *Session) assemble(f *Frame) *transport.Buffer {
	key := assemblyKey(&f.Header)
	a := s.in.partial[key]
	if a == nil && f.Flags&wire.FlagMore == 0 || f.Kind < wire.KindCall {
		return f.buf.Retain()
	}
	if a != nil && a.first.Kind != f.Kind {
		s.forget(key) // a final frame cuts an item short
		return s.assemble(f)
	}
	if a == nil {
		if a = s.newAssembly(key, f); a == nil {
			return nil
		}
	}
	s.grow(a, f)
	if f.Flags&wire.FlagMore != 0 {
		return nil
	}
	s.remove(key, a)
	if a.skip {
		return nil
	}
	more := f.Flags & wire.FlagEnd
	f.Header = a.first
	f.Flags = f.Flags&^wire.FlagMore | more
	f.Ext, f.Payload = a.ext, a.join()
	return transport.WrapBuffer(f.Payload)
}

// newAssembly begins one, within limits.
func (s *Session) newAssembly(key uint64, f *Frame) *assembly {
	in := &s.in
	if len(in.partial) >= s.cfg.MaxCalls {
		s.violated("%d messages are in pieces at once", len(in.partial))
		return nil
	}
	if in.partial == nil {
		in.partial = make(map[uint64]*assembly)
	}
	a := &assembly{first: f.Header, ext: append([]byte(nil), f.Ext...)}
	in.partial[key] = a
	return a
}

// grow adds the payload of a fragment, unless the message gets too long.
func (s *Session) grow(a *assembly, f *Frame) {
	if a.skip {
		return
	}
	if a.size+len(f.Payload) > s.cfg.MaxMessage {
		s.tooLarge(a, f)
		return
	}
	before := a.held
	a.add(f)
	s.in.bytes += len(f.Payload)
	s.in.held += a.held - before
	if limit := 4*s.cfg.MaxMessage + 64*fragmentSize; s.in.bytes > limit || s.in.held > 8*limit {
		s.CloseWith(status.Errorf(status.LimitExceeded, "more than %d bytes of unfinished messages", limit))
	}
}

// tooLarge refuses a message and keeps the session.
func (s *Session) tooLarge(a *assembly, f *Frame) {
	a.skip = true
	s.in.bytes -= a.size
	s.in.held -= a.held
	a.drop()
	err := status.Errorf(status.TooLarge, "message is longer than %d bytes", s.cfg.MaxMessage)
	err.Details = limitDetails("message", 0, uint64(s.cfg.MaxMessage))
	switch f.Kind {
	case wire.KindCall:
		s.refuse(f, err)
	case wire.KindReply, wire.KindFail:
		if sink := s.calls.remove(f.ID); sink != nil {
			sink.Final(nil, err)
		}
	case wire.KindData:
		s.itemTooLarge(f.ID, err)
	default:
		s.dropped.Add(1)
	}
}

// itemTooLarge cuts a stream of which an item is too long. The caller's end is told at
// once; the peer answers its CANCEL with the final frame.
func (s *Session) itemTooLarge(id uint32, err *status.Error) {
	if s.ofPeer(id) {
		s.cancelled(id, err)
		return
	}
	if sink := s.calls.sink(id); sink != nil && s.calls.abandon(id) {
		s.later(wire.Header{Kind: wire.KindCancel, ID: id}, nil, nil)
		sink.Final(nil, err)
	}
}

func (s *Session) forget(key uint64) {
	if a := s.in.partial[key]; a != nil {
		s.remove(key, a)
		a.drop()
	}
}

// remove takes an assembly out of the table.
func (s *Session) remove(key uint64, a *assembly) {
	s.in.bytes -= a.size
	s.in.held -= a.held
	delete(s.in.partial, key)
}

// aborted deals with an ABORT: the rest of a message will not come. A request is answered
// all the same, as every call is.
func (s *Session) aborted(f *Frame) {
	key := assemblyKey(&f.Header)
	a := s.in.partial[key]
	if a == nil {
		return
	}
	s.forget(key)
	if a.first.Kind == wire.KindCall && !a.skip {
		f.ID = a.first.ID
		s.refuse(f, &status.Error{Code: status.Cancelled, Message: "the caller withdrew the request"})
	}
}
