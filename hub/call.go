// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// lump is the longest request that is appended to the provider's outbox in one piece.
const lump = 64 << 10

// offer leads to who serves a method. It is made when a member provides it, or for a
// caller's route that names its target.
type offer struct {
	m     *Member
	route *session.Route
	gone  atomic.Bool // withdrawn

	checks atomic.Pointer[schema.Checks] // nil mostly
	toll   *toll                         // of the channel; nil mostly

	pool       *pool       // of a method that has one; m and route are nil if seat is
	seat       *seat       // of m in the pool
	idempotent atomic.Bool // m has said so

	room *room // of a target: valid as long as the members are what they were
	seen uint64
}

func newOffer(m *Member, class wire.Class, at place, t *toll) *offer {
	return &offer{m: m, toll: t, route: m.s.Route(wire.Bind{Class: class, Channel: at.channel, Name: at.name})}
}

func (o *offer) valid() bool {
	return !o.gone.Load() && (o.room == nil || o.room.seats.Load() == o.seen)
}

// caller is a member's route to a method.
type caller struct {
	deaf
	pass  pass
	bind  wire.Bind
	offer atomic.Pointer[offer]
}

// InPlace implements session.InPlacer: what is only passed on is copied once, into what its
// receiver gets.
func (r *caller) InPlace() bool { return true }

// Call implements session.Target.
func (r *caller) Call(c *session.Call) {
	if err := r.pass.check(r.m, r.want()); err != nil {
		c.Fail(r.m.hub.count.fail(err))
		return
	}
	if err := r.m.mayPass(1); err != nil {
		c.Fail(r.m.hub.count.fail(err))
		return
	}
	o := r.offer.Load()
	if o == nil || !o.valid() {
		var err error
		old := o
		if o, err = r.m.hub.findServer(r.bind); err != nil {
			c.Fail(r.m.hub.count.fail(err))
			return
		}
		if old != nil && old.m == o.m && o.room != nil {
			o.route = old.route // it has its number already
		}
		r.offer.Store(o)
	}
	if err := o.toll.pay(r.m); err != nil {
		c.Fail(r.m.hub.count.fail(err))
		return
	}
	if err := r.m.mayCall(c.Shape()); err != nil {
		c.Fail(r.m.hub.count.fail(err))
		return
	}
	r.m.hub.count.calls.Add(1)
	if checks := o.checks.Load(); checks != nil {
		c.MakePrivate()
		if err := r.m.misfit(checks.Request(c.Shape(), c.Codec, c.Payload)); err != nil {
			c.Fail(r.m.hub.count.fail(err))
			return
		}
	}
	if o.pool != nil {
		if o.seat == nil {
			r.m.group(c, o.pool, r)
			return
		}
		o.force()
	}
	if c.Shape() == wire.Unary {
		r.m.unary(c, o, r)
	} else {
		r.m.stream(c, o, r)
	}
}

// find returns who serves a method or an event: its provider or the target named.
func (h *Hub) find(b wire.Bind) (*offer, error) {
	at := place{b.Channel, b.Name}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if b.Target == "" {
		if o := h.offers[at]; o != nil {
			return o, nil
		}
		return nil, status.Errorf(status.NoProvider, "nobody provides %s/%s", b.Channel, b.Name)
	}
	m := h.members[b.Target]
	if m == nil || !h.dir.Has(b.Channel, m) {
		return nil, status.Errorf(status.NotFound, "channel %s has no member %s", b.Channel, b.Target)
	}
	o := newOffer(m, wire.ClassMethod, at, h.rooms[b.Channel].toll)
	if p := h.offers[at]; p != nil && p.pool != nil {
		if of := p.pool.of(m); of != nil {
			o.pool, o.seat = p.pool, of.seat
			o.checks.Store(p.checks.Load())
		}
	} else if p != nil && p.m == m {
		o.checks.Store(p.checks.Load())
	}
	o.room = h.rooms[b.Channel]
	o.seen = o.room.seats.Load()
	return o, nil
}

// lost returns what a caller is told whose call has failed with err, which the provider's
// session gave to its sink.
func (o *offer) lost(err error) error {
	e := status.Convert(err)
	switch {
	case err == o.m.s.Err(): //nolint:errorlint // the very value: the session has ended
		return &status.Error{Code: status.PeerGone, Message: "the provider of " + o.String() + " went away: " + e.Message}
	case e.Remote:
		return e // the provider's own words
	}
	return &status.Error{Code: e.Code, Retry: e.Retry, Message: o.String() + ": " + e.Message}
}

// unreached returns what a caller is told whose call could not be sent on.
func (o *offer) unreached(err error) error {
	e := status.Convert(err)
	if o.m.s.Err() != nil {
		return &status.Error{Code: status.NoProvider, Message: "the provider of " + o.String() + " has just gone: " + e.Message}
	}
	return &status.Error{Code: e.Code, Retry: e.Retry, Message: o.String() + ": " + e.Message}
}

// String returns the method and who serves it.
func (o *offer) String() string {
	at := o.route.Bind()
	return at.Channel + "/" + at.Name + " at " + o.m.id
}

// link joins the two legs of a call without streams: it is told by the provider's session
// when the call has ended, and by the caller's session if the caller gives up. There is
// one for each slot of the caller's ids, used again for call after call; the session
// begins no call in a slot before it is done with the one before.
//
//	idle ──begin──► busy ──started──► running ──finish──► idle
//	                  └────── finish (refused, or answered before Start returned) ──► idle
type link struct {
	m *Member // the caller

	mu        sync.Mutex
	busy      bool
	running   bool
	cancelled bool
	id        uint32             // at the caller
	callee    uint32             // at the provider, if running
	offer     *offer             // nil while it waits for one
	calls     uint64             // so far
	timed     time.Time          // when the call came; zero if it is not timed
	began     time.Time          // when it was given to a provider of a group
	req       *request           // nil mostly
	barred    *status.Error      // why the call was ended here, while it goes on at the provider: the link is not used again
	stop      context.CancelFunc // ends the wait for room in the provider's outbox; nil if there is none
	reason    *status.Error      // if cancelled: whether the caller has given up or gone
}

// link returns the link of a call id.
func (m *Member) link(id uint32) *link {
	n := session.Slot(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.links) <= n {
		m.links = append(m.links, nil)
	}
	if m.links[n] == nil {
		m.links[n] = &link{m: m}
	}
	return m.links[n]
}

// unary passes a call without streams on.
func (m *Member) unary(c *session.Call, o *offer, r *caller) {
	id, l, door := c.ID, m.link(c.ID), m.hub.locks.doors.Load()
	if !l.begin(id, o, nil) {
		o.unused()
		c.Fail(status.Errorf(status.Protocol, "the call id %d is in use", id))
		return
	}
	if !c.Detach(l) {
		l.finish(id)
		o.unused()
		return
	}
	if why := l.overSince(door); why != nil {
		o.unused()
		m.s.Refuse(id, why)
		c.FlushAfter(m.s)
		return
	}
	if err := r.still(o); err != nil {
		o.unused()
		if l.finish(id) {
			m.s.Refuse(id, m.hub.count.fail(err))
			c.FlushAfter(m.s)
		}
		return
	}
	callee, err := l.start(c)
	if err != nil {
		if o.seat != nil && o.room == nil { // nobody has named this provider
			m.elsewhere(c, o, l, err)
			return
		}
		o.unused()
		if l.finish(id) {
			m.s.Refuse(id, m.hub.count.fail(o.unreached(err)))
			c.FlushAfter(m.s)
		}
		return
	}
	if l.started(id, callee) {
		o.route.Quit(callee, l.why())
	}
	c.FlushAfter(o.m.s)
}

// start sends the request. It waits only if the provider's outbox is full, or has to be
// shared with others because the request is long; the goroutine that reads goes on then.
func (l *link) start(c *session.Call) (uint32, error) {
	o := l.offer
	m := c.Message()
	m.Source = l.m.number
	if len(m.Payload) <= lump && !o.m.s.Full() {
		return o.route.StartStream(c.Background(), wire.Unary, wire.FlagEnd, m, l)
	}
	return startSlowly(c, o, wire.FlagEnd, m, l)
}

// waiter is a sink whose call may have to wait before it is sent.
type waiter interface {
	session.Sink
	// waits notes what ends the wait, and reports whether it is over already.
	waits(stop context.CancelFunc) bool
}

// startSlowly sends a request with leave to wait: until the time of the call is up, or the
// caller gives up.
func startSlowly(c *session.Call, o *offer, flags wire.Flags, m session.Message, w waiter) (uint32, error) {
	ctx, cancel := context.WithCancel(c.Background())
	if left := c.Remaining(); left > 0 {
		ctx, cancel = context.WithTimeout(c.Background(), left)
	}
	defer cancel()
	if w.waits(cancel) {
		cancel()
	}
	m.Deadline = 0 // that of ctx, which runs while we wait
	return o.route.StartStream(ctx, c.Shape(), flags, m, w)
}

func (l *link) waits(stop context.CancelFunc) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = stop
	return l.cancelled
}

// begin makes l that of a new call; false if it is in use, which a correct peer never causes.
func (l *link) begin(id uint32, o *offer, q *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		return false
	}
	l.busy, l.running, l.cancelled = true, false, false
	l.id, l.offer, l.stop, l.req = id, o, nil, q
	l.timed = time.Time{}
	if l.calls++; l.calls%sampled == 1 {
		l.timed = l.m.hub.cfg.Now()
	}
	if o != nil && o.seat != nil {
		l.began = o.began()
	}
	return true
}

// started notes the provider's id; true if the caller has given up meanwhile.
func (l *link) started(id, callee uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy || l.id != id {
		return l.barred != nil // answered already
	}
	l.running, l.callee, l.stop = true, callee, nil
	return l.cancelled
}

// finish ends the call; false if it is over already.
func (l *link) finish(id uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy || l.id != id {
		return false
	}
	l.busy = false
	return true
}

// why returns how the caller was cancelled.
func (l *link) why() *status.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// Cancelled implements session.Canceller: it passes the caller's wish on, or that it has
// gone. The final frame comes from the provider.
func (l *link) Cancelled(reason *status.Error) {
	l.mu.Lock()
	l.cancelled, l.reason = true, reason
	pass, route, callee, stop, q := l.busy && l.running, (*session.Route)(nil), l.callee, l.stop, l.req
	if pass {
		route = l.offer.route
	}
	if !l.busy {
		q = nil
	}
	l.mu.Unlock()
	if stop != nil {
		stop()
	}
	if pass {
		route.Quit(callee, reason)
	} else if q != nil {
		q.withdraw()
	}
}

// Item implements session.Sink. The session has found out that the provider answers with
// a stream; the final frame comes all the same.
func (l *link) Item(*session.Frame) {}

// Final implements session.Sink.
func (l *link) Final(f *session.Frame, err error) {
	l.mu.Lock()
	id, o, busy, q, began, timed := l.id, l.offer, l.busy, l.req, l.began, l.timed
	if busy && !l.cancelled && q.again(o, err) {
		l.offer, l.running = nil, false
		l.mu.Unlock()
		o.ended(began, err, nil)
		q.resend()
		return
	}
	l.busy, l.req = false, nil
	barred := l.barred
	l.mu.Unlock()
	if !busy {
		if barred != nil && o.seat != nil {
			l.seen(o, q, began, err)
		}
		return
	}
	if q != nil {
		q.exhausted(o, err)
	}
	if o.seat != nil {
		l.seen(o, q, began, err)
	}
	to, count := l.m.s, &l.m.hub.count
	if !timed.IsZero() {
		count.latency.add(l.m.hub.cfg.Now().Sub(timed))
	}
	if err != nil {
		to.Refuse(id, count.fail(q.doubt(o.lost(err))))
		to.FlushNow()
		return
	}
	if bad := o.misfit(f); bad != nil {
		to.Refuse(id, count.fail(bad))
		to.FlushNow()
		return
	}
	m := f.Message()
	m.Source = o.m.number
	to.Answer(id, m)
	o.m.s.FlushAfter(to)
}
