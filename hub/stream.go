// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/schema"
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
	m   *Member               // the caller
	id  uint32                // at the caller
	o   atomic.Pointer[offer] // while the call waits for a provider, its pool's
	req *request              // nil mostly

	channel, name string

	mu        sync.Mutex
	callee    uint32 // at the provider
	running   bool   // callee is known
	cancelled bool   // by the caller: nothing is passed on any more
	over      bool   // the final frame was passed on
	stop      context.CancelFunc
	began     time.Time
	up, down  deadletter.Flow // up to the provider
	final     *final          // it waits for the queue of down to empty
}

// callerEnd is a relay as the caller's session sees it.
type callerEnd struct{ *relay }

// final is a final frame that waits.
type final struct {
	m   session.Message
	err error
}

// newRelay returns the relay of a call that has no provider yet.
func newRelay(m *Member, c *session.Call) *relay {
	r := &relay{m: m, id: c.ID, channel: c.Route().Channel, name: c.Route().Name}
	r.up.Granted, r.down.Limit = m.s.StreamWindows()
	r.up.Ended = c.Flags&wire.FlagEnd != 0
	return r
}

// goesTo says who the provider is.
func (r *relay) goesTo(o *offer) {
	r.o.Store(o)
	r.began = o.began()
	r.down.Granted, r.up.Limit = o.m.s.StreamWindows()
}

// stream passes a call with streams on.
func (m *Member) stream(c *session.Call, o *offer, by *caller) {
	r := newRelay(m, c)
	r.goesTo(o)
	if !c.Detach(callerEnd{r}) {
		o.unused()
		return
	}
	if !r.register(&by.pass) {
		o.unused()
		c.FlushAfter(m.s)
		return
	}
	if err := by.still(o); err != nil {
		o.unused()
		r.fail(c.ID, err)
		return
	}
	msg := c.Message()
	msg.Source = m.number
	callee, err := startSlowly(c, o, c.Flags, msg, r)
	if err != nil {
		o.unused()
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
		return r.cancelled
	}
	if r.up.Limit > r.up.Granted && !r.up.Ended {
		r.grantCallerLocked(wire.Credit{Limit: r.up.Limit})
	}
	if r.down.Limit > r.down.Granted {
		r.grantProviderLocked(wire.Credit{Limit: r.down.Limit})
	}
	r.pumpUpLocked()
	return r.cancelled
}

func (r *relay) grantCallerLocked(c wire.Credit) {
	r.up.Granted = c.Limit
	r.m.s.ForwardCredit(r.id, c)
}

func (r *relay) grantProviderLocked(c wire.Credit) {
	r.down.Granted = c.Limit
	r.o.Load().m.s.ForwardCredit(r.callee, c)
}

// pumpUpLocked passes on what the provider takes.
func (r *relay) pumpUpLocked() {
	for r.running && r.up.MayPass() {
		f := r.up.Pop()
		r.o.Load().m.s.Forward(r.callee, &f)
	}
}

// pumpDownLocked passes on what the caller takes, and the final frame after it.
func (r *relay) pumpDownLocked() {
	for r.down.MayPass() {
		f := r.down.Pop()
		r.m.s.Forward(r.id, &f)
	}
	if r.final != nil && len(r.down.Queue) == 0 {
		r.finishLocked(r.final)
	}
}

// Item implements session.StreamPeer: the caller sends.
func (e callerEnd) Item(f *session.Frame) {
	r := e.relay
	if !r.fits(f, r.m, (*schema.Checks).Sent) {
		return
	}
	r.mu.Lock()
	if r.cancelled || r.over || r.up.Ended {
		r.mu.Unlock()
		return
	}
	if !r.up.Take(f) {
		r.mu.Unlock()
		overrun(r.m)
		return
	}
	f.Source = r.m.number
	to := r.o.Load().m
	if r.up.Passes(f, r.running) {
		to.s.Forward(r.callee, f)
	}
	r.mu.Unlock()
	if to != nil {
		r.m.s.FlushAfter(to.s)
	}
}

// Credit implements session.StreamPeer: the caller takes more.
func (e callerEnd) Credit(c wire.Credit) {
	r := e.relay
	r.mu.Lock()
	r.down.Limit = max(r.down.Limit, c.Limit)
	r.pumpDownLocked()
	if r.running && !r.over && r.down.Limit > r.down.Granted {
		r.grantProviderLocked(wire.Credit{Limit: r.down.Limit, Acked: c.Acked})
	}
	to := r.o.Load().m
	r.mu.Unlock()
	if to != nil {
		r.m.s.FlushAfter(to.s)
	}
}

// Cancelled implements session.Canceller: the caller has given up, or gone.
func (e callerEnd) Cancelled(*status.Error) {
	r := e.relay
	r.mu.Lock()
	r.cancelled = true
	r.up.Queue, r.down.Queue = nil, nil
	stop, pass, waits := r.stop, r.running && !r.over && r.final == nil, r.req != nil && !r.running
	if r.final != nil {
		r.finishLocked(r.final)
	}
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	if pass {
		r.o.Load().route.Cancel(r.callee)
	} else if waits {
		r.req.withdraw()
	}
}

// Item implements session.Sink: the provider sends.
func (r *relay) Item(f *session.Frame) {
	from := r.o.Load().m
	if !r.fits(f, from, (*schema.Checks).Received) {
		return
	}
	r.mu.Lock()
	if !r.down.Take(f) {
		r.mu.Unlock()
		overrun(from)
		return
	}
	if r.cancelled || r.over {
		r.mu.Unlock()
		return
	}
	f.Source = from.number
	if r.down.Passes(f, true) {
		r.m.s.Forward(r.id, f)
	}
	r.mu.Unlock()
	from.s.FlushAfter(r.m.s)
}

// Credit takes the provider's credit.
func (r *relay) Credit(c wire.Credit) {
	r.mu.Lock()
	r.up.Limit = max(r.up.Limit, c.Limit)
	r.pumpUpLocked()
	if r.running && !r.over && !r.up.Ended && r.up.Limit > r.up.Granted {
		r.grantCallerLocked(wire.Credit{Limit: r.up.Limit, Acked: c.Acked})
	}
	r.mu.Unlock()
	r.o.Load().m.s.FlushAfter(r.m.s)
}

// Final implements session.Sink. What the provider has sent before goes before, unless
// the provider is gone.
func (r *relay) Final(f *session.Frame, err error) {
	o := r.o.Load()
	end := &final{}
	if err != nil {
		end.err = o.lost(err)
	} else if bad := o.misfit(f); bad != nil {
		end.err = bad
	} else {
		end.m = f.Message()
		end.m.Source = o.m.number
	}
	r.mu.Lock()
	if err == nil && len(r.down.Queue) > 0 {
		end.m.Ext, end.m.Payload = bytes.Clone(f.Ext), bytes.Clone(f.Payload)
	}
	if len(r.down.Queue) > 0 && o.m.s.Err() == nil {
		r.final = end
	} else {
		r.finishLocked(end)
	}
	r.mu.Unlock()
	if err != nil {
		o.ended(r.began, err, nil)
		r.m.s.FlushNow()
		return
	}
	o.ended(r.began, nil, o.m.s)
	o.m.s.FlushAfter(r.m.s)
}

// finishLocked passes the final frame on, once.
func (r *relay) finishLocked(end *final) {
	if r.over {
		return
	}
	r.over, r.final = true, nil
	r.forgetLocked()
	r.up.Queue, r.down.Queue = nil, nil
	if end.err != nil {
		r.m.s.Refuse(r.id, r.m.hub.count.fail(end.err))
	} else {
		r.m.s.Answer(r.id, end.m)
	}
}

// overrun ends the session of a member that sends more than it was allowed to.
func overrun(m *Member) {
	m.s.CloseWith(&status.Error{Code: status.Protocol, Message: "the peer broke the protocol: more was sent on a stream than the credit allows"})
}
