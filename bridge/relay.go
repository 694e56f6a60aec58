// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"bytes"
	"context"
	"sync"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// relay joins the two legs of a call between hubs: one comes to the guest in the provider's place,
// the other is made by the guest in the caller's place. Credit is end to end, as in a hub: what
// the receiver grants is granted to the sender, in the same count.
//
//	hub of the caller ═══ up ═══►  relay  ═══►  hub of the provider
//	                  ◄══ down ══         ◄═══
//
// The session that the call came by knows it as a callerEnd, the other as a Sink.
type relay struct {
	in    *session.Session
	id    uint32 // there
	by    *guest
	bind  wire.Bind
	out   *session.Session
	route *session.Route

	mu        sync.Mutex
	callee    uint32
	running   bool
	cancelled bool
	over      bool
	reason    *status.Error // if cancelled: whether the caller has given up or gone
	stop      context.CancelFunc
	up, down  deadletter.Flow
	final     *final
}

// callerEnd is a relay as the caller's session sees it.
type callerEnd struct{ *relay }

// final is a final frame that waits.
type final struct {
	m   session.Message
	err error
}

// serve passes the call on. It may wait for the caller's guest, and for room.
func (r *relay) serve(c *session.Call) {
	r.up.Granted, r.down.Limit = r.in.StreamWindows()
	r.by.use(1)
	if !c.Detach(callerEnd{r}) {
		r.by.use(-1)
		return
	}
	if err := r.start(c); err != nil {
		r.mu.Lock()
		r.finishLocked(&final{err: err})
		r.mu.Unlock()
	}
	c.FlushAfter(r.in)
}

// start makes the second leg.
func (r *relay) start(c *session.Call) error {
	ctx, cancel := context.WithCancel(c.Background())
	if left := c.Remaining(); left > 0 {
		ctx, cancel = context.WithTimeout(c.Background(), left)
	}
	defer cancel()
	r.mu.Lock()
	r.stop = cancel
	gone := r.cancelled
	r.mu.Unlock()
	if gone {
		cancel()
	}
	out, err := r.by.session(ctx)
	if err != nil {
		return err
	}
	if err := r.by.unlock(ctx, out, r.bind.Channel); err != nil {
		return err
	}
	m := c.Message()
	m.Source, m.Deadline = 0, 0
	r.mu.Lock()
	r.out, r.route = out, out.Route(r.bind)
	r.down.Granted, r.up.Limit = out.StreamWindows()
	r.mu.Unlock()
	callee, err := r.route.StartStream(ctx, c.Shape(), c.Flags, m, r)
	if err != nil {
		return r.unreached(err)
	}
	if r.started(callee, c.Shape()) {
		r.mu.Lock()
		reason := r.reason
		r.mu.Unlock()
		r.route.Quit(callee, reason)
	}
	c.FlushAfter(out)
	return nil
}

func (r *relay) unreached(err error) error {
	e := status.Convert(err)
	if r.out.Err() != nil {
		return &status.Error{Code: status.Unavailable, Message: "the way to hub " + r.by.at.hub + " has just gone: " + e.Message}
	}
	return e
}

// started notes the second leg's id, evens the windows out and passes on what has come
// meanwhile; true if the caller has given up.
func (r *relay) started(callee uint32, shape wire.Shape) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.callee, r.running, r.stop = callee, true, nil
	if r.over || shape == wire.Unary {
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
	r.in.ForwardCredit(r.id, c)
}

func (r *relay) grantProviderLocked(c wire.Credit) {
	r.down.Granted = c.Limit
	r.out.ForwardCredit(r.callee, c)
}

func (r *relay) pumpUpLocked() {
	for r.running && r.up.MayPass() {
		f := r.up.Pop()
		r.out.Forward(r.callee, &f)
	}
}

func (r *relay) pumpDownLocked() {
	for r.down.MayPass() {
		f := r.down.Pop()
		r.in.Forward(r.id, &f)
	}
	if r.final != nil && len(r.down.Queue) == 0 {
		r.finishLocked(r.final)
	}
}

// Item implements session.StreamPeer: the caller sends.
func (e callerEnd) Item(f *session.Frame) {
	r := e.relay
	r.mu.Lock()
	if r.cancelled || r.over || r.up.Ended {
		r.mu.Unlock()
		return
	}
	if !r.up.Take(f) {
		r.mu.Unlock()
		overrun(r.in)
		return
	}
	f.Source = 0
	if r.up.Passes(f, r.running) {
		r.out.Forward(r.callee, f)
	}
	running := r.running
	r.mu.Unlock()
	if running {
		r.in.FlushAfter(r.out)
	}
}

// Credit implements session.StreamPeer: the caller takes more.
func (e callerEnd) Credit(c wire.Credit) {
	r := e.relay
	r.mu.Lock()
	r.down.Limit = max(r.down.Limit, c.Limit)
	r.pumpDownLocked()
	running := r.running
	if running && !r.over && r.down.Limit > r.down.Granted {
		r.grantProviderLocked(wire.Credit{Limit: r.down.Limit, Acked: c.Acked})
	}
	r.mu.Unlock()
	if running {
		r.in.FlushAfter(r.out)
	}
}

// Cancelled implements session.Canceller: the caller has given up, or gone.
func (e callerEnd) Cancelled(reason *status.Error) {
	r := e.relay
	r.mu.Lock()
	r.cancelled, r.reason = true, reason
	r.up.Queue, r.down.Queue = nil, nil
	stop, pass := r.stop, r.running && !r.over && r.final == nil
	if r.final != nil {
		r.finishLocked(r.final)
	}
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	if pass {
		r.route.Quit(r.callee, reason)
	}
}

// Item implements session.Sink: the provider sends.
func (r *relay) Item(f *session.Frame) {
	r.mu.Lock()
	if !r.down.Take(f) {
		r.mu.Unlock()
		overrun(r.out)
		return
	}
	if r.cancelled || r.over {
		r.mu.Unlock()
		return
	}
	f.Source = 0
	if r.down.Passes(f, true) {
		r.in.Forward(r.id, f)
	}
	r.mu.Unlock()
	r.out.FlushAfter(r.in)
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
	r.out.FlushAfter(r.in)
}

// Final implements session.Sink. What the provider has sent before goes before, unless its
// hub is gone.
func (r *relay) Final(f *session.Frame, err error) {
	end := &final{}
	if err != nil {
		end.err = r.lost(err)
	} else {
		end.m = f.Message()
		end.m.Source = 0
	}
	r.mu.Lock()
	if err == nil && len(r.down.Queue) > 0 {
		end.m.Ext, end.m.Payload = bytes.Clone(f.Ext), bytes.Clone(f.Payload)
	}
	if len(r.down.Queue) > 0 && r.out.Err() == nil {
		r.final = end
	} else {
		r.finishLocked(end)
	}
	r.mu.Unlock()
	if err != nil {
		r.in.FlushNow()
		return
	}
	r.out.FlushAfter(r.in)
}

// lost returns what the caller is told whose call has failed on the second leg.
func (r *relay) lost(err error) error {
	e := status.Convert(err)
	if err == r.out.Err() { //nolint:errorlint // the very value: the session has ended
		return &status.Error{Code: status.PeerGone, Message: "the way to hub " + r.by.at.hub + " was lost: " + e.Message}
	}
	return e
}

// finishLocked passes the final frame on, once.
func (r *relay) finishLocked(end *final) {
	if r.over {
		return
	}
	r.over, r.final = true, nil
	r.up.Queue, r.down.Queue = nil, nil
	if end.err != nil {
		r.in.Refuse(r.id, end.err)
	} else {
		r.in.Answer(r.id, end.m)
	}
	r.by.use(-1)
}

// overrun ends the session of a hub that sends more than it was allowed to.
func overrun(s *session.Session) {
	s.CloseWith(&status.Error{Code: status.Protocol, Message: "the peer broke the protocol: more was sent on a stream than the credit allows"})
}
