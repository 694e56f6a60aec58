// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"sync"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// relay joins the two legs of a call with streams. Credit is end to end: what the receiver
// grants is granted to the sender, in the same count. Only the windows at the beginning
// may differ between the legs, so that as much as the hub's own window may have to wait
// here once.
//
//	caller ═══ up: DATA ═══►  relay  ═══ DATA ═══► provider
//	       ◄══ down: DATA ══         ◄══ DATA ════
//
// The caller's session knows it as a callerEnd, the provider's as a Sink.
type relay struct {
	m  *Member // the caller
	id uint32  // at the caller
	o  *offer

	mu        sync.Mutex
	callee    uint32 // at the provider
	running   bool   // callee is known
	cancelled bool   // by the caller: nothing is passed on any more
	over      bool   // the final frame was passed on
	stop      context.CancelFunc
	up, down  flow
	final     *final // it waits for the queue of down to empty
}

// callerEnd is a relay as the caller's session sees it.
type callerEnd struct{ *relay }

// flow is one direction of a relay; guarded by its mu.
type flow struct {
	taken, granted uint64 // by the sender, to the sender
	sent, limit    uint64 // to the receiver, by the receiver
	ended          bool   // the sender has said so
	queue          []session.Frame
}

// final is a final frame that waits.
type final struct {
	m   session.Message
	err error
}

// stream passes a call with streams on.
func (m *Member) stream(c *session.Call, o *offer) {
	r := &relay{m: m, id: c.ID, o: o}
	r.up.granted, r.down.limit = m.s.StreamWindows()
	r.down.granted, r.up.limit = o.m.s.StreamWindows()
	r.up.ended = c.Flags&wire.FlagEnd != 0
	if !c.Detach(callerEnd{r}) {
		return
	}
	msg := c.Message()
	msg.Source = m.number
	callee, err := startSlowly(c, o, c.Flags, msg, r)
	if err != nil {
		r.mu.Lock()
		r.finishLocked(&final{err: o.unreached(err)})
		r.mu.Unlock()
		c.FlushAfter(m.s)
		return
	}
	if r.started(callee) {
		o.route.Cancel(callee)
	}
	c.FlushAfter(o.m.s)
	c.FlushAfter(m.s)
}

func (r *relay) waits(stop context.CancelFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = stop
	return r.cancelled
}

// started notes the provider's id, evens the windows out and passes on what has come
// meanwhile; true if the caller has given up.
func (r *relay) started(callee uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.callee, r.running, r.stop = callee, true, nil
	if r.over {
		return false
	}
	if r.up.limit > r.up.granted && !r.up.ended {
		r.grantCallerLocked(wire.Credit{Limit: r.up.limit})
	}
	if r.down.limit > r.down.granted {
		r.grantProviderLocked(wire.Credit{Limit: r.down.limit})
	}
	r.pumpUpLocked()
	return r.cancelled
}

func (r *relay) grantCallerLocked(c wire.Credit) {
	r.up.granted = c.Limit
	r.m.s.ForwardCredit(r.id, c)
}

func (r *relay) grantProviderLocked(c wire.Credit) {
	r.down.granted = c.Limit
	r.o.m.s.ForwardCredit(r.callee, c)
}

// pumpUpLocked passes on what the provider takes.
func (r *relay) pumpUpLocked() {
	for r.running && r.up.mayPass() {
		f := r.up.pop()
		r.up.sent += price(&f)
		r.o.m.s.Forward(r.callee, &f)
	}
}

// pumpDownLocked passes on what the caller takes, and the final frame after it.
func (r *relay) pumpDownLocked() {
	for r.down.mayPass() {
		f := r.down.pop()
		r.down.sent += price(&f)
		r.m.s.Forward(r.id, &f)
	}
	if r.final != nil && len(r.down.queue) == 0 {
		r.finishLocked(r.final)
	}
}

// mayPass reports whether the oldest message of the queue may go on.
func (w *flow) mayPass() bool {
	return len(w.queue) > 0 && (w.sent < w.limit || w.queue[0].Flags&wire.FlagEnd != 0)
}

// pop takes the oldest message out of the queue.
func (w *flow) pop() session.Frame {
	f := w.queue[0]
	w.queue[0] = session.Frame{}
	if w.queue = w.queue[1:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return f
}

// take counts a message of the sender; false if it has no credit for it. An end costs
// nothing, and after it nothing comes.
func (w *flow) take(f *session.Frame) bool {
	if f.Flags&wire.FlagEnd == 0 && w.taken >= w.granted {
		return false
	}
	w.taken += price(f)
	w.ended = w.ended || f.Flags&wire.FlagEnd != 0
	return true
}

// price is what a message takes from a window.
func price(f *session.Frame) uint64 {
	if f.Flags&wire.FlagEnd != 0 {
		return 0
	}
	return uint64(len(f.Payload)) + wire.MessageCost
}

// passes reports whether a message may go on at once; if not it waits in the queue.
func (w *flow) passes(f *session.Frame, open bool) bool {
	if open && len(w.queue) == 0 && (w.sent < w.limit || f.Flags&wire.FlagEnd != 0) {
		w.sent += price(f)
		return true
	}
	own := *f
	own.Ext, own.Payload = bytes.Clone(f.Ext), bytes.Clone(f.Payload)
	w.queue = append(w.queue, own)
	return false
}

// Item implements session.StreamPeer: the caller sends.
func (e callerEnd) Item(f *session.Frame) {
	r := e.relay
	r.mu.Lock()
	if r.cancelled || r.over || r.up.ended {
		r.mu.Unlock()
		return
	}
	if !r.up.take(f) {
		r.mu.Unlock()
		overrun(r.m)
		return
	}
	f.Source = r.m.number
	if r.up.passes(f, r.running) {
		r.o.m.s.Forward(r.callee, f)
	}
	r.mu.Unlock()
	r.m.s.FlushAfter(r.o.m.s)
}

// Credit implements session.StreamPeer: the caller takes more.
func (e callerEnd) Credit(c wire.Credit) {
	r := e.relay
	r.mu.Lock()
	r.down.limit = max(r.down.limit, c.Limit)
	r.pumpDownLocked()
	if r.running && !r.over && r.down.limit > r.down.granted {
		r.grantProviderLocked(wire.Credit{Limit: r.down.limit, Acked: c.Acked})
	}
	r.mu.Unlock()
	r.m.s.FlushAfter(r.o.m.s)
}

// Cancelled implements session.Canceller: the caller has given up, or gone.
func (e callerEnd) Cancelled(*status.Error) {
	r := e.relay
	r.mu.Lock()
	r.cancelled = true
	r.up.queue, r.down.queue = nil, nil
	stop, pass := r.stop, r.running && !r.over && r.final == nil
	if r.final != nil {
		r.finishLocked(r.final)
	}
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	if pass {
		r.o.route.Cancel(r.callee)
	}
}

// Item implements session.Sink: the provider sends.
func (r *relay) Item(f *session.Frame) {
	r.mu.Lock()
	if !r.down.take(f) {
		r.mu.Unlock()
		overrun(r.o.m)
		return
	}
	if r.cancelled || r.over {
		r.mu.Unlock()
		return
	}
	f.Source = r.o.m.number
	if r.down.passes(f, true) {
		r.m.s.Forward(r.id, f)
	}
	r.mu.Unlock()
	r.o.m.s.FlushAfter(r.m.s)
}

// Credit takes the provider's credit.
func (r *relay) Credit(c wire.Credit) {
	r.mu.Lock()
	r.up.limit = max(r.up.limit, c.Limit)
	r.pumpUpLocked()
	if r.running && !r.over && !r.up.ended && r.up.limit > r.up.granted {
		r.grantCallerLocked(wire.Credit{Limit: r.up.limit, Acked: c.Acked})
	}
	r.mu.Unlock()
	r.o.m.s.FlushAfter(r.m.s)
}

// Final implements session.Sink. What the provider has sent before goes before, unless
// the provider is gone.
func (r *relay) Final(f *session.Frame, err error) {
	end := &final{}
	if err != nil {
		end.err = r.o.lost(err)
	} else {
		end.m = f.Message()
		end.m.Source = r.o.m.number
	}
	r.mu.Lock()
	if err == nil && len(r.down.queue) > 0 {
		end.m.Ext, end.m.Payload = bytes.Clone(f.Ext), bytes.Clone(f.Payload)
	}
	if len(r.down.queue) > 0 && r.o.m.s.Err() == nil {
		r.final = end
	} else {
		r.finishLocked(end)
	}
	r.mu.Unlock()
	if err != nil {
		r.m.s.FlushNow()
		return
	}
	r.o.m.s.FlushAfter(r.m.s)
}

// finishLocked passes the final frame on, once.
func (r *relay) finishLocked(end *final) {
	if r.over {
		return
	}
	r.over, r.final = true, nil
	r.up.queue, r.down.queue = nil, nil
	if end.err != nil {
		r.m.s.Refuse(r.id, end.err)
	} else {
		r.m.s.Answer(r.id, end.m)
	}
}

// overrun ends the session of a member that sends more than it was allowed to.
func overrun(m *Member) {
	m.s.CloseWith(&status.Error{Code: status.Protocol, Message: "the peer broke the protocol: more was sent on a stream than the credit allows"})
}
