// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Call is a call of the peer, as a Target gets it. It is the Target's until its Call
// method returns, and answered exactly once: by Reply or Fail, or later by
// Session.Answer or Session.Refuse if it has been detached.
type Call struct {
	Frame
	s        *Session
	t        *turn
	answered atomic.Bool // its final frame is decided
	finished atomic.Bool // … and in the outbox
	entered  bool        // in the table; guarded by in.mu
	detached bool
	ctx      atomic.Pointer[callContext]
	stream   *Stream
	reason   atomic.Pointer[status.Error] // why it was cancelled
	record   atomic.Pointer[recording]    // who keeps the answer; nil mostly
}

// Session returns the session that the call came by.
func (c *Call) Session() *Session { return c.s }

// Route returns the meaning of the route that the call came by.
func (c *Call) Route() wire.Bind { return c.route.bind }

// Reply answers the call. What is longer than the caller takes becomes a failure.
func (c *Call) Reply(m Message) error {
	ext, err := m.extensions()
	if limit := c.s.peer.limits.Message; err == nil && uint64(len(m.Payload)) > limit {
		e := status.Errorf(status.TooLarge, "the answer has %d bytes, the caller takes at most %d: answer with a stream", len(m.Payload), limit)
		e.Details = limitDetails("message", uint64(len(m.Payload)), limit)
		err = e
	}
	if err != nil {
		c.Fail(err)
		return err
	}
	if r := c.record.Load(); r != nil {
		r.by.Answered(m, nil)
	}
	out := c.s.outgoing(&m)
	err = c.finish(wire.Header{Kind: wire.KindReply, Flags: wire.FlagEnd | out.flag(), Codec: m.Codec, ID: c.ID}, ext, out.bytes)
	if err != nil {
		out.drop()
	}
	return err
}

// Fail answers the call with an error.
func (c *Call) Fail(err error) {
	e := status.Convert(err)
	if r := c.record.Load(); r != nil {
		r.by.Answered(Message{}, e)
	}
	_ = c.finish(wire.Header{Kind: wire.KindFail, Flags: wire.FlagEnd, ID: c.ID}, nil, appendStatus(nil, e))
}

func (c *Call) finish(h wire.Header, ext, payload []byte) error {
	if c.detached || c.answered.Swap(true) {
		return status.Errorf(status.FailedPrecondition, "the call has been answered or detached already")
	}
	if c.stream != nil {
		c.stream.finish()
	}
	if len(payload) > fragmentSize {
		return c.finishLong(h, ext, payload)
	}
	if c.t.state.Load()&turnLost == 0 && c.stream == nil {
		c.s.later(h, ext, payload) // the reader flushes when it has read all that is there
		c.finished.Store(true)
		if c.t.state.Load()&turnLost == 0 {
			return nil
		}
		c.s.conclude(c, nil) // it has lost the reader meanwhile
	} else {
		c.s.conclude(c, func() { c.s.later(h, ext, payload) })
	}
	c.s.flush(c.s.cfg.Gate.Running() > 1)
	return nil
}

// finishLong sends a long answer fragment by fragment, as there is room. The reading
// goroutine goes on meanwhile, and the call counts as open.
func (c *Call) finishLong(h wire.Header, ext, payload []byte) error {
	s := c.s
	s.conclude(c, func() { s.in.count.Add(1) })
	defer s.in.release()
	for {
		if err := s.waitBulk(c.t); err != nil {
			return err
		}
		wait := s.out.longLocked(len(payload), s.peer.limits.Message)
		if wait == nil {
			break
		}
		if err := s.parkLocked(c.t, wait); err != nil {
			return err
		}
	}
	err := s.appendMessage(c.t, h, ext, payload, nil, nil)
	s.flush(s.cfg.Gate.Running() > 1)
	return err
}

// release counts an answer as sent that was counted as open meanwhile.
func (in *inbound) release() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count.Add(-1)
	in.notifyLocked()
}

// conclude takes a call out of the table and appends its final frame, in one step: once
// the table is empty the answers are on their way, which Drain relies on, and once the
// peer has an answer its id is free.
func (s *Session) conclude(c *Call, send func()) {
	in := &s.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if c.entered {
		in.removeLocked(c.ID)
		c.entered = false
	}
	if send != nil {
		send()
		c.finished.Store(true)
	}
	in.notifyLocked()
}

// Detach lets the call outlive the Target's Call method: it is answered with
// Session.Answer or Session.Refuse, by its ID. who is told if the caller gives up; if it
// is also a StreamPeer it gets the caller's items and credit. false means that the
// session has ended or the id is in use: the call is over.
func (c *Call) Detach(who Canceller) bool {
	found, ok := c.detach(who)
	if p, takes := who.(StreamPeer); takes && c.stream != nil {
		c.stream.passTo(p)
	}
	if found.told {
		who.Cancelled(c.reason.Load())
	}
	return ok
}

// detach gives the call's place in the table to who and returns what was there.
func (c *Call) detach(who Canceller) (found entry, ok bool) {
	if r := c.record.Load(); r != nil {
		r.by.Detached()
	}
	in := &c.s.in
	in.mu.Lock()
	defer in.mu.Unlock()
	c.detached = true
	if !c.entered {
		return found, in.ended == nil && in.addLocked(c.ID, who, nil)
	}
	e := in.entryLocked(c.ID)
	if e == nil {
		return found, false
	}
	found, e.who = *e, who
	return found, true
}

// StreamPeer is what a Canceller may also be: it takes what the caller of a detached call
// sends. The methods run on the goroutine that reads and must not block.
type StreamPeer interface {
	Item(f *Frame)
	Credit(c wire.Credit)
}

// Answer sends the final frame of a detached call; false if the call is over already.
func (s *Session) Answer(id uint32, m Message) bool {
	out := s.outgoing(&m)
	ok := s.answer(wire.Header{Kind: wire.KindReply, Flags: wire.FlagEnd | out.flag(), Codec: m.Codec, ID: id, Source: m.Source}, m.Ext, out.bytes)
	if !ok {
		out.drop()
	}
	return ok
}

// Refuse is Answer with an error.
func (s *Session) Refuse(id uint32, err error) bool {
	return s.answer(wire.Header{Kind: wire.KindFail, Flags: wire.FlagEnd, ID: id}, nil, appendStatus(nil, status.Convert(err)))
}

func (s *Session) answer(h wire.Header, ext, payload []byte) bool {
	s.in.mu.Lock()
	e, ok := s.in.removeLocked(h.ID)
	if ok {
		s.later(h, ext, payload)
		s.in.notifyLocked()
	}
	s.in.mu.Unlock()
	if e.stream != nil {
		e.stream.finish()
	}
	return ok
}

// FlushLater has what was appended flushed soon by another goroutine, or at once if it is
// much: for a forwarder that goes on appending.
func (s *Session) FlushLater() { s.flushOneWay() }

// FlushSoon has what was appended flushed by another goroutine: it never flushes itself, nor
// calls anybody, and so may be called under any lock.
func (s *Session) FlushSoon() {
	o := &s.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) > 0 && !o.writing.Load() && !o.roused {
		o.roused = true
		s.wakeFlusherLocked()
	}
}

// FlushAfter has what was appended to another session by Answer, Refuse, Forward or
// StartStream flushed: after the batch of frames that the call came with if the goroutine
// that reads still runs the call's Target, else now.
func (c *Call) FlushAfter(to *Session) {
	c.s.FlushAfter(to)
	if c.t.state.Load()&turnLost != 0 {
		to.FlushNow()
	}
}

// FlushNow flushes what was appended, for a forwarder that is not reading.
func (s *Session) FlushNow() { s.flush(false) }

// Forward sends an item of a stream on, for a forwarder that keeps to the receiver's
// credit itself.
func (s *Session) Forward(id uint32, f *Frame) {
	out := s.outgoing(&Message{Payload: f.Payload})
	s.later(wire.Header{
		Kind: wire.KindData, Flags: f.Flags&^wire.FlagMore | out.flag(), Codec: f.Codec, ID: id, Source: f.Source,
		Sequence: f.Sequence, Bits: f.Bits,
	}, f.Ext, out.bytes)
}

// ForwardCredit sends credit on.
func (s *Session) ForwardCredit(id uint32, c wire.Credit) {
	s.later(wire.Header{Kind: wire.KindCredit, ID: id}, nil, wire.AppendCredit(nil, c))
}

// request deals with a CALL.
func (s *Session) request(t *turn, f *Frame) {
	if s.in.uses(f.ID) {
		s.violated("call with id %d, which is in use", f.ID)
		return
	}
	f.route = s.inRouteOf(f.Route)
	if f.route == nil || f.route.bind.Class != wire.ClassMethod && f.route.bind.Class != wire.ClassTopic {
		s.refuse(f, status.Errorf(status.Protocol, "route %d is not bound to a method or a topic", f.Route))
		return
	}
	if f.route.err != nil || f.route.revoked.Load() {
		f.route = s.rebind(f.route)
	}
	if f.route.err != nil {
		s.refuse(f, f.route.err)
		return
	}
	if f.route.target == nil {
		s.refuse(f, status.Errorf(status.Protocol, "%s cannot be called", Describe(f.route.bind)))
		return
	}
	if s.draining.Load() {
		s.refuse(f, errDraining)
		return
	}
	if t == &s.role.callerTurn || s.mustQueue() {
		s.enqueue(f)
		return
	}
	if f.Shape() == wire.Unary {
		t.call.reset(s, t, f)
		s.run(t, &t.call)
		return
	}
	c := &Call{} // it is entered in the table, so it is never used again
	c.reset(s, t, f)
	s.in.mu.Lock()
	c.entered = s.in.ended == nil && s.in.addLocked(c.ID, c, c.listen())
	s.in.mu.Unlock()
	if !c.entered {
		s.violated("call id %d is in use", f.ID)
		return
	}
	t.current.Store(c)
	s.run(t, c)
	t.current.Store(&t.call)
}

func (s *Session) refuse(f *Frame, err *status.Error) {
	s.later(wire.Header{Kind: wire.KindFail, Flags: wire.FlagEnd, ID: f.ID}, nil, appendStatus(nil, err))
}

// reset makes c the call that has come with f. A Call is used again by its turn as long
// as the turn has not been lost.
func (c *Call) reset(s *Session, t *turn, f *Frame) {
	c.Frame, c.s, c.t = *f, s, t
	c.entered, c.detached, c.stream = false, false, nil
	// Nobody else knows the call yet: nothing to synchronise with.
	c.ctx, c.answered, c.finished = atomic.Pointer[callContext]{}, atomic.Bool{}, atomic.Bool{}
	if c.reason.Load() != nil {
		c.reason.Store(nil)
	}
	if c.record.Load() != nil {
		c.record.Store(nil)
	}
}

// run has the target serve c, on the goroutine that reads or one of its own.
func (s *Session) run(t *turn, c *Call) {
	state := t.state.Load()
	t.state.Store(state | turnRuns)
	if state&turnLost == 0 {
		s.keep()
		// Looked at again only now: Drain, and the end of the session, look for handlers
		// that run after they have set it.
		if s.draining.Load() {
			c.Fail(errDraining)
			t.state.CompareAndSwap(state|turnRuns, state)
			return
		}
	}
	c.serve()
	if ctx := c.ctx.Load(); ctx != nil {
		ctx.cancel(errCallOver)
	}
	if t.state.CompareAndSwap(state|turnRuns, state+turnCount) {
		c.forget()
	} else {
		t.state.And(^uint32(turnRuns)) // see deserted
	}
}

var (
	errCallOver = &status.Error{Code: status.Cancelled, Message: "the call has been answered"}
	errDraining = &status.Error{Code: status.Unavailable, Message: "the other side is shutting down"}
)

// serve runs the target. A panic fails the call and nothing else.
func (c *Call) serve() {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			c.s.cfg.Log.Error("handler panicked", "route", Describe(c.route.bind), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		if c.detached {
			c.s.Refuse(c.ID, c.panicked())
			c.s.FlushNow()
		} else {
			c.Fail(c.panicked())
		}
	}()
	c.route.target.Call(c)
	returned = true
	if !c.detached && !c.answered.Load() {
		c.Fail(status.Errorf(status.Internal, "the handler of %s returned without an answer", Describe(c.route.bind)))
	}
}

func (c *Call) panicked() error {
	return status.Errorf(status.Internal, "the handler of %s panicked", Describe(c.route.bind))
}

// finishLost ends a goroutine that has lost the reading role to another.
func (s *Session) finishLost(*turn) {
	s.cfg.Gate.leave()
	s.flush(false)
	s.serveQueued()
}

// mustQueue reports whether a request has to wait: others do, too many handlers run, or
// the peer does not take the answers it has.
func (s *Session) mustQueue() bool {
	return s.in.waits.Load() > 0 || s.out.over.Load() || !s.cfg.Gate.open()
}

// enqueue keeps a request for later, or refuses it.
func (s *Session) enqueue(f *Frame) {
	size := len(f.Payload) + len(f.Ext)
	if !s.cfg.Gate.enqueue(size) {
		s.refuse(f, status.Errorf(status.Overloaded, "%d requests wait already: try again later", s.cfg.Gate.Queued()))
		return
	}
	buf := f.Take().Compact()
	c := &Call{}
	c.reset(s, newTurn(s), f)
	c.t.current.Store(c)
	c.t.state.Store(turnLost)
	c.buf = buf
	c.Ext, c.Payload = parts(f, buf)
	if !s.in.enqueue(queued{buf: buf, call: c, size: size}) {
		s.cfg.Gate.dequeued(size)
		buf.Release()
		s.violated("call id %d is in use", f.ID)
		return
	}
	s.serveQueued()
}

// enqueue enters a request into the table and the queue; false if the session has ended.
func (in *inbound) enqueue(q queued) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended != nil {
		return false
	}
	c := q.call
	c.entered = in.addLocked(c.ID, c, c.listen())
	in.queue = append(in.queue, q)
	in.waits.Add(1)
	return true
}

// serveQueued starts a goroutine that serves waiting requests, if there are any and they
// may be served, and reports whether it did. It is called whenever what they wait for may
// have come: room in the outbox, or the end of a handler.
func (s *Session) serveQueued() bool {
	in := &s.in
	if in.waits.Load() == 0 || s.out.full() {
		return false
	}
	gate := s.cfg.Gate
	if !gate.open() {
		gate.await(s)
		if !gate.open() {
			return false
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) == 0 || in.ended != nil {
		return false
	}
	s.wg.Add(1) // under mu: in.close, after which Wait may return, has not run yet
	gate.running.Add(1)
	go s.worker()
	return true
}

// worker serves waiting requests until none is left or none may be served.
func (s *Session) worker() {
	defer s.wg.Done()
	defer s.serveQueued()
	defer s.cfg.Gate.leave()
	for !s.out.full() {
		q, more, ok := s.in.dequeue()
		if !ok {
			return
		}
		s.cfg.Gate.dequeued(q.size)
		if more {
			s.serveQueued()
		}
		if r := q.call.reason.Load(); r != nil {
			q.call.Fail(r)
		} else {
			s.run(q.call.t, q.call)
		}
		q.buf.Release()
	}
}

func (in *inbound) dequeue() (q queued, more, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) == 0 {
		return queued{}, false, false
	}
	q = in.queue[0]
	in.queue[0] = queued{}
	in.queue = in.queue[1:]
	in.waits.Add(-1)
	if len(in.queue) == 0 {
		in.queue = nil
		in.notifyLocked()
	}
	return q, len(in.queue) > 0, true
}
