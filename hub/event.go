// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync/atomic"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// maxEmitters is how many names of events a member's emitters are kept for while they have
// nothing to do.
const maxEmitters = 1024

// emitter is the bounded queue of one name's events for one member, and its route.
type emitter struct {
	m   *Member
	r   *session.Route
	out *outlet.Outlet

	losses losses
}

// emitter returns the emitter for events that come to m by a class, channel and name.
func (m *Member) emitter(b wire.Bind) *emitter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.emitters[b]; e != nil {
		return e
	}
	if m.emitters == nil {
		m.emitters = make(map[wire.Bind]*emitter)
	}
	if len(m.emitters) >= maxEmitters {
		m.forgetEmittersLocked()
	}
	e := &emitter{m: m, r: m.s.Route(b)}
	cfg := m.hub.cfg.outlet(e, &m.hub.count.events, 0, operation.DropOldest)
	cfg.Ready, cfg.Account = true, &m.queued
	e.losses.of = operation.Event{Channel: b.Channel, Member: m.id, Name: b.Name}
	cfg.Dropped = func(n int) { e.losses.add(m.hub, n) }
	cfg.Lost = m.hub.dead.eventLost(b, m.id)
	e.out = outlet.New(cfg)
	e.r.OnCredit(e.resume)
	if m.mayEnter(b.Channel) != nil { // since just now: who made it has not noticed yet
		e.out.Close()
		return e
	}
	m.emitters[b] = e
	return e
}

// forgetEmittersLocked makes room: whoever still holds one that is forgotten can use it on.
func (m *Member) forgetEmittersLocked() {
	for b, e := range m.emitters {
		if e.out.Idle() {
			delete(m.emitters, b)
		}
	}
	for b, e := range m.emitters { // all of them are busy: names are made up faster than the member reads
		if len(m.emitters) < maxEmitters {
			return
		}
		delete(m.emitters, b)
		e.out.Close()
	}
}

func (m *Member) closeEmitters() {
	m.mu.Lock()
	all := m.emitters
	m.emitters = nil
	m.mu.Unlock()
	for b, e := range all {
		m.hub.leftovers.add(e.out.Close(), operation.Undelivered{Member: m.id, Channel: b.Channel, Name: b.Name, Event: true})
	}
}

// Try implements outlet.Sender.
func (e *emitter) Try(m session.Message, _ *session.Route) (bool, error) {
	ok, err := e.r.TryEmit(m)
	if err != nil && status.CodeOf(err) != status.TooLarge && e.m.s.Err() == nil {
		return false, outlet.Refuse(err)
	}
	return ok, err
}

// TryRun implements outlet.Sender. Events come one by one.
func (e *emitter) TryRun(session.Run, uint64, *session.Route) (int, error) { return 0, nil }

// resume goes on when the member takes more.
func (e *emitter) resume() {
	if gap := e.out.Pump(); gap > 0 {
		e.losses.flush(e.m.hub)
		b := e.r.Bind()
		e.m.hub.tellGap(e.m, place{b.Channel, b.Name}, gap)
	}
}

// eventRoute is a member's route for events to one: the provider of the name, or a target.
type eventRoute struct {
	noCalls
	pass pass
	m    *Member
	bind wire.Bind
	to   atomic.Pointer[receiver]
}

// receiver is where the events of an eventRoute go, as long as the offer is valid.
type receiver struct {
	o *offer
	e *emitter
}

func (m *Member) bindEvent(b wire.Bind) (session.Target, error) {
	r := &eventRoute{m: m, bind: b}
	if _, err := r.receiver(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *eventRoute) receiver() (*receiver, error) {
	if err := r.pass.check(r.m, want{auth.VerbCall, r.bind.Channel, r.bind.Name}); err != nil {
		return nil, err
	}
	if to := r.to.Load(); to != nil && to.o.valid() {
		return to, nil
	}
	o, err := r.m.hub.find(r.bind)
	if err != nil {
		return nil, err
	}
	if o.pool != nil && o.seat == nil { // one of the group, as long as it is there: the order is kept
		if o = o.pool.home(r.m.id); o == nil {
			return nil, status.Errorf(status.NoProvider, "nobody provides %s/%s", r.bind.Channel, r.bind.Name)
		}
	}
	to := &receiver{o: o, e: o.m.emitter(wire.Bind{Class: wire.ClassEvent, Channel: r.bind.Channel, Name: r.bind.Name})}
	r.to.Store(to)
	return to, nil
}

// Receive implements session.Target. A sender whose event found nobody, or nobody who
// wants it, is told with the revocation of its route.
func (r *eventRoute) Receive(s *session.Session, f *session.Frame) {
	events := &r.m.hub.count.events
	if err := r.m.mayPass(1); err != nil {
		events.Drop(deadletter.TooFast)
		s.Revoke(r, status.Convert(err))
		return
	}
	to, err := r.receiver()
	if err != nil {
		events.Drop(unheard(err))
		r.m.lose(operation.KindEvent, place{r.bind.Channel, r.bind.Name}, f.Message(), r.bind.Target, unheard(err).String())
		s.Revoke(r, status.Convert(err))
		r.m.fault(operation.FaultOrphan, r.bind, err)
		return
	}
	if err := to.o.toll.pay(r.m); err != nil {
		events.Drop(deadletter.TooFast)
		s.Revoke(r, status.Convert(err))
		return
	}
	m := outlet.OfFrame(f, r.m.number)
	m.From(r.m.from)
	switch v, err := to.e.out.Push(&m, nil); v {
	case outlet.Refused:
		s.Revoke(r, status.Convert(err))
		r.m.fault(operation.FaultUnwanted, r.bind, err)
	case outlet.Gone:
		events.Drop(deadletter.Nobody)
		r.m.lose(operation.KindEvent, place{r.bind.Channel, r.bind.Name}, f.Message(), to.e.m.id, deadletter.Nobody.String())
		r.to.Store(nil)
		r.m.fault(operation.FaultOrphan, r.bind, errGone)
	case outlet.Delivered:
		s.FlushAfter(to.e.m.s)
	}
	m.Done()
}

// broadcastRoute is a member's route for events to all others of a channel.
type broadcastRoute struct {
	noCalls
	pass pass
	m    *Member
	bind wire.Bind
	to   atomic.Pointer[crowd]
}

// crowd is who is in a channel, as long as room.seats is what it was.
type crowd struct {
	room *room
	seen uint64
	all  []*Member
}

func (m *Member) bindBroadcast(b wire.Bind) (session.Target, error) {
	b.Target = ""
	r := &broadcastRoute{m: m, bind: b}
	if _, err := r.crowd(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *broadcastRoute) crowd() (*crowd, error) {
	if err := r.pass.check(r.m, want{auth.VerbCall, r.bind.Channel, r.bind.Name}); err != nil {
		return nil, err
	}
	if c := r.to.Load(); c != nil && c.room.seats.Load() == c.seen {
		return c, nil
	}
	h := r.m.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	ch := h.dir.Channel(r.bind.Channel)
	if ch == nil {
		return nil, status.Errorf(status.NotFound, "there is no channel %q", r.bind.Channel)
	}
	room := h.rooms[ch.Name]
	c := &crowd{room: room, seen: room.seats.Load(), all: ch.Members()}
	r.to.Store(c)
	return c, nil
}

// Receive implements session.Target.
func (r *broadcastRoute) Receive(s *session.Session, f *session.Frame) {
	if err := r.m.mayPass(1); err != nil {
		r.m.hub.count.events.Drop(deadletter.TooFast)
		s.Revoke(r, status.Convert(err))
		return
	}
	c, err := r.crowd()
	if err != nil {
		r.m.hub.count.events.Drop(unheard(err))
		s.Revoke(r, status.Convert(err))
		r.m.fault(operation.FaultOrphan, r.bind, err)
		return
	}
	if err := c.room.toll.pay(r.m); err != nil {
		r.m.hub.count.events.Drop(deadletter.TooFast)
		s.Revoke(r, status.Convert(err))
		return
	}
	m := outlet.OfFrame(f, r.m.number)
	m.From(r.m.from)
	for _, to := range c.all {
		if to == r.m {
			continue
		}
		e := to.emitter(r.bind)
		v, _ := e.out.Push(&m, nil)
		if v == outlet.Refused { // that of an earlier message: this one asks anew
			v, _ = e.out.Push(&m, nil)
		}
		if v == outlet.Delivered {
			s.FlushAfter(to.s)
		}
	}
	m.Done()
}
