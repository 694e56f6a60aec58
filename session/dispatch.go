// SPDX-License-Identifier: Apache-2.0

package session

import (
	"math"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// dispatch deals with the next frame of the inbox. It runs on the goroutine that reads.
func (s *Session) dispatch(t *turn) {
	in, f := &s.inbox, &t.frame
	b := in.peek()
	*f = Frame{buf: in.buf, at: in.at, part: len(b) != in.buf.Len(), boxed: true}
	var err error
	if f.Header, f.Ext, f.Payload, err = wire.ParseFrame(b); err != nil {
		in.next().Release()
		s.violated("%w", err)
		return
	}
	if s.debug {
		s.trace("received", &f.Header)
	}
	if f.Kind == wire.KindCall || f.Flags&(wire.FlagLent|wire.FlagMore) != 0 || len(s.in.partial) > 0 {
		s.dispatchOwn(t, f, in.next())
		return
	}
	in.skip(len(b))
	s.handle(t, f)
	f.forget()
	in.tidy()
}

// dispatchOwn deals with a frame that has a Buffer of its own, and releases it: a fragment,
// a payload by reference, or a call, whose handler may lose the inbox to another goroutine.
func (s *Session) dispatchOwn(t *turn, f *Frame, buf *transport.Buffer) {
	f.buf, f.part, f.boxed = buf, false, false
	if f.Flags&wire.FlagLent != 0 {
		if buf = s.borrow(f, buf); buf == nil {
			return
		}
	}
	if f.Flags&wire.FlagMore != 0 || len(s.in.partial) > 0 {
		whole := s.assemble(f)
		if whole == nil {
			buf.Release()
			return
		}
		buf.Release()
		buf = whole
		f.buf = whole
	}
	s.handle(t, f)
	f.forget()
	buf.Release()
}

// handle deals with a whole message or control frame.
func (s *Session) handle(t *turn, f *Frame) {
	if len(f.Payload) > s.cfg.MaxMessage && f.Kind >= wire.KindCall {
		s.tooLarge(&assembly{}, f)
		return
	}
	switch f.Kind {
	case wire.KindCall:
		if !s.ofPeer(f.ID) || slotOf(f.ID) >= uint32(s.cfg.MaxCalls) {
			s.violated("call with id %d, which is not the peer's to choose", f.ID)
			return
		}
		s.request(t, f)
	case wire.KindReply, wire.KindFail:
		s.final(f)
	case wire.KindData:
		s.item(f)
	case wire.KindEvent, wire.KindPublish:
		s.oneWay(f)
	default:
		if err := s.controlFrame(f); err != nil {
			s.violated("%s: %w", f.Kind, err)
		}
	}
}

// controlFrame deals with what is not a message.
func (s *Session) controlFrame(f *Frame) error {
	switch f.Kind {
	case wire.KindBind:
		return s.bind(&f.Header, f.Payload)
	case wire.KindRevoke:
		s.revoked(f)
	case wire.KindSource:
		return s.sources.learn(f.Source, f.Payload)
	case wire.KindCredit:
		c, err := wire.ParseCredit(f.Payload)
		if err == nil {
			s.credit(f, c)
		}
		return err
	case wire.KindCancel:
		s.cancelled(f.ID, cancelReason(f))
	case wire.KindAbort:
		s.aborted(f)
	case wire.KindPing:
		if len(f.Payload) > 64 {
			return wire.ErrTrailing
		}
		s.beats.Add(2) // it, and the answer
		s.later(wire.Header{Kind: wire.KindPong}, nil, f.Payload)
	case wire.KindPong:
		s.beats.Add(1)
		s.answered(f.Payload)
	case wire.KindGoaway:
		s.goaway(f)
	default:
		if f.Flags&wire.FlagIgnorable == 0 {
			return wire.ErrKind
		}
		s.dropped.Add(1)
	}
	return nil
}

// violated ends the session because the peer broke the protocol, while its frames are dealt with.
func (s *Session) violated(format string, args ...any) {
	s.countReceived()
	err := status.Errorf(status.Protocol, "the peer broke the protocol: "+format, args...)
	s.CloseWith(err)
}

// ofPeer reports whether an id is one that the peer may choose.
func (s *Session) ofPeer(id uint32) bool { return id&1 != s.calls.parity }

// final gives a final frame to the sink of its call. One for a call that is over is late,
// not wrong: it is ignored.
func (s *Session) final(f *Frame) {
	sink := s.calls.remove(f.ID)
	if sink == nil {
		s.dropped.Add(1)
		return
	}
	if f.Kind == wire.KindReply {
		sink.Final(f, nil)
		return
	}
	sink.Final(nil, parseStatus(f.Payload))
}

// runSink is what a Sink may also be: one that takes several items at once.
type runSink interface{ itemRun(run Run) }

// item gives an item to the stream that it belongs to, together with those that have come
// with it.
func (s *Session) item(f *Frame) {
	if !s.ofPeer(f.ID) {
		if sink := s.calls.sink(f.ID); sink != nil {
			s.giveItem(sink, f)
		}
		return
	}
	s.in.mu.Lock()
	e := s.in.entryLocked(f.ID)
	var stream *Stream
	var who Canceller
	if e != nil {
		stream, who = e.stream, e.who
	}
	s.in.mu.Unlock()
	if stream != nil {
		s.giveItem(stream, f)
	} else if p, ok := who.(StreamPeer); ok {
		p.Item(f)
	} else {
		s.dropped.Add(1)
	}
}

func (s *Session) giveItem(to interface{ Item(f *Frame) }, f *Frame) {
	if x, ok := to.(runSink); ok && f.boxed && f.Flags == 0 && s.inbox.more() {
		if run, _ := s.gather(f, math.MaxUint64); run.n > 1 {
			x.itemRun(run)
			return
		}
	}
	to.Item(f)
}

// RunTarget is what a Target may also be: one that takes several messages at once.
type RunTarget interface {
	// ReceiveRun is Receive for messages that came together. false leaves them to Receive.
	ReceiveRun(s *Session, run Run) bool
}

// oneWay gives an event or a publication to the target of its route, together with those
// that have come with it.
func (s *Session) oneWay(f *Frame) {
	r := s.inRouteOf(f.Route)
	if r == nil {
		s.violated("%s on route %d, which is not bound", f.Kind, f.Route)
		return
	}
	if !oneWayClass(r.bind.Class) {
		s.dropped.Add(1) // nothing was granted on it, and nobody takes it
		return
	}
	if r.taken >= r.limit {
		if r.limit = r.grantedNow(); r.taken >= r.limit {
			s.violated("more than the credit was sent on route %d", f.Route)
			return
		}
	}
	if r.runs == nil || !f.boxed || f.Flags != wire.FlagOneWay {
		s.receiveOne(r, f)
		return
	}
	run, last := s.gather(f, r.limit-r.taken)
	if r.runs.ReceiveRun(s, run) {
		r.taken += run.cost
		s.owe(r, run.cost, last)
		return
	}
	for run.n > 0 {
		one := run.shift()
		s.receiveOne(r, &one)
	}
}

func (s *Session) receiveOne(r *inRoute, f *Frame) {
	n := cost(len(f.Payload))
	r.taken += n
	f.route = r
	if r.target != nil {
		r.target.Receive(s, f)
	} else {
		s.dropped.Add(1)
	}
	if f.route != nil {
		s.owe(r, n, f.Sequence)
	}
}

// owed is credit that was used up and not yet given back; owned by who reads.
type owed struct {
	r      *inRoute // nil: none
	n, seq uint64
}

// owe notes that credit of a route can be given back: soon, together with that of the
// messages that follow.
func (s *Session) owe(r *inRoute, n, seq uint64) {
	if s.owed.r != r {
		s.repay()
	}
	s.owed = owed{r: r, n: s.owed.n + n, seq: seq}
	if s.owed.n >= uint64(s.cfg.RouteWindow)/8 {
		s.repay()
	}
}

// repay gives back what is owed. It is called before who reads waits.
func (s *Session) repay() {
	if o := s.owed; o.r != nil {
		s.owed = owed{}
		o.r.consume(o.n, o.seq)
	}
}

func oneWayClass(c wire.Class) bool {
	return c == wire.ClassEvent || c == wire.ClassBroadcast || c == wire.ClassTopic
}

func (r *inRoute) grantedNow() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.granted
}

// credit gives credit to the stream or route that it is for.
func (s *Session) credit(f *Frame, c wire.Credit) {
	if f.ID == 0 {
		var told func()
		s.out.mu.Lock()
		if r := s.routes.answered(&f.Header); r != nil {
			r.window.grantLocked(c)
			told = r.credit
		}
		s.out.mu.Unlock()
		if told != nil {
			told()
		}
		return
	}
	if !s.ofPeer(f.ID) {
		if p, ok := s.calls.sink(f.ID).(interface{ Credit(wire.Credit) }); ok {
			p.Credit(c)
		}
		return
	}
	s.in.mu.Lock()
	e := s.in.entryLocked(f.ID)
	var to any
	if e != nil && e.stream != nil {
		to = e.stream
	} else if e != nil {
		to = e.who
	}
	s.in.mu.Unlock()
	if p, ok := to.(interface{ Credit(wire.Credit) }); ok {
		p.Credit(c)
	}
}

// cancelled passes a CANCEL on. A call that has been answered is not there any more.
func (s *Session) cancelled(id uint32, reason *status.Error) {
	s.in.mu.Lock()
	found, ok := s.in.cancelLocked(id, reason)
	s.in.mu.Unlock()
	if ok {
		found.cancel(reason)
	}
}

// revoked deals with a REVOKE: by the side that accepted the route, or by its owner.
func (s *Session) revoked(f *Frame) {
	if f.Flags&wire.FlagEnd == 0 {
		if r := s.inRouteOf(f.Route); r != nil {
			s.in.mu.Lock()
			s.in.routes[f.Route-1] = nil
			s.in.mu.Unlock()
		}
		return
	}
	var told func()
	s.out.mu.Lock()
	if r := s.routes.answered(&f.Header); r != nil {
		r.refused = parseStatus(f.Payload)
		told = r.credit
		r.wakeLocked()
	}
	s.out.mu.Unlock()
	if told != nil {
		told()
	}
}

// goaway deals with a GOAWAY: with FlagEnd the session ends now, else the peer drains.
func (s *Session) goaway(f *Frame) {
	err := parseStatus(f.Payload)
	if f.Flags&wire.FlagEnd != 0 {
		err.Err = timeoutOf(err.Details)
		s.mu.Lock()
		s.away = err
		s.mu.Unlock()
		s.fail(err)
		return
	}
	s.draining.Store(true)
	s.cfg.Log.Debug("peer drains", "peer", s.peer.ID, "reason", err.Message)
}

// trace logs a frame at debug level.
func (s *Session) trace(what string, h *wire.Header) {
	s.cfg.Log.Debug("frame "+what, "peer", s.peer.ID, "kind", h.Kind.String(), "flags", int(h.Flags), "codec", int(h.Codec),
		"id", h.ID, "route", h.Route, "source", h.Source, "sequence", h.Sequence, "deadline_us", h.Deadline, "bytes", h.Length)
}
