// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync/atomic"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// topic is a declared publication name.
type topic struct {
	at   place
	room *room
	gone atomic.Bool // retracted

	checks atomic.Pointer[schema.Checks] // nil mostly, as …
	kept   atomic.Pointer[retention]     // … what it keeps for those who subscribe later

	// guarded by hub.mu
	publishers map[*publisher]struct{}
	patterns   int // that match and have a subscription

	audience atomic.Pointer[audience]
}

// audience is who takes the publications of a topic, as long as room.changed is what it was.
type audience struct {
	seen      uint64
	listeners []listener
	blocks    bool // one of them may hold up publishers
}

// listener is a subscription, and how its items say where they come from.
type listener struct {
	f     *feed
	label *session.Route
}

// publisher is a member's route to a topic: there is one for each, however often the
// member binds it.
type publisher struct {
	pass  pass
	m     *Member
	topic *topic
}

func (m *Member) bindTopic(b wire.Bind) (session.Target, error) {
	h := m.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := m.aliveLocked(); err != nil {
		return nil, err
	}
	if err := m.allowed(auth.VerbPublish, b.Channel, b.Name); err != nil {
		return nil, err
	}
	if err := h.mayLocked(b.Channel, m); err != nil {
		return nil, err
	}
	if err := h.dir.MayPublish(b.Channel, b.Name, m); err != nil {
		return nil, err
	}
	at := place{b.Channel, b.Name}
	if p := m.publishers[at]; p != nil {
		return p, nil
	}
	p := &publisher{m: m, topic: h.topics[at]}
	if m.publishers == nil {
		m.publishers = make(map[place]*publisher)
	}
	m.publishers[at] = p
	p.topic.publishers[p] = struct{}{}
	return p, nil
}

// Receive implements session.Target.
func (p *publisher) Receive(s *session.Session, f *session.Frame) {
	if err := p.mayPass(); err != nil {
		p.m.hub.count.publications.Drop(deadletter.TooFast)
		s.Revoke(p, status.Convert(err))
		return
	}
	turn, fresh := p.begin(f.Sequence)
	if !fresh {
		p.m.hub.count.twice.Add(1)
		return
	}
	if turn != nil {
		defer turn.End()
	}
	t := p.topic
	if checks := t.checks.Load(); checks != nil && !t.gone.Load() && p.pass.check(p.m, p.want()) == nil { // who may not, learns nothing of the schema
		if err := p.m.misfit(checks.Publication(f.Codec, f.Payload)); err != nil {
			p.m.hub.count.published.Add(1)
			p.m.hub.count.publications.Drop(deadletter.Malformed)
			p.m.lose(operation.KindPublication, t.at, f.Message(), "", deadletter.Malformed.String())
			s.Revoke(p, err) // the publisher's next publication fails with it; others go on
			p.m.fault(operation.FaultMisfit, p.topic.bind(), err)
			return
		}
	}
	m := outlet.OfFrame(f, p.m.number)
	m.MayHold()
	m.From(p.m.from)
	p.deliver(s, &m, 1)
}

// mayPass returns why one more publication is one too many, for its member or its channel.
func (p *publisher) mayPass() error {
	if err := p.m.mayPass(1); err != nil {
		return err
	}
	if t := p.topic.room.toll; t != nil && p.pass.check(p.m, p.want()) == nil {
		return t.pay(p.m)
	}
	return nil // also for who may not publish at all: he is told so, and takes no others' place
}

// paced reports whether anything bounds the publications in a second.
func (p *publisher) paced() bool {
	return p.m.pace != nil || p.m.user.toll != nil || p.topic.room.toll != nil
}

// ReceiveRun implements session.RunTarget. What is judged is judged one by one.
func (p *publisher) ReceiveRun(s *session.Session, run session.Run) bool {
	if p.m.remote || p.paced() || p.topic.checks.Load() != nil || p.topic.kept.Load() != nil || p.topic.audienceNow(p.m.hub).blocks {
		return false
	}
	m := outlet.OfRun(run, p.m.number)
	m.From(p.m.from)
	p.deliver(s, &m, run.Len())
	return true
}

// deliver gives n publications to all who take them. Nothing is locked or allocated for it,
// but what has to wait is kept once.
func (p *publisher) deliver(by flusher, m *outlet.Parcel, n int) {
	h, t := p.m.hub, p.topic
	if t.gone.Load() {
		h.count.publications.DropMany(deadletter.Undeclared, n) // the publisher is told by the revocation
		p.m.fault(operation.FaultUndeclared, t.bind(), errUndeclared)
		return
	}
	if err := p.pass.check(p.m, p.want()); err != nil {
		h.count.publications.DropMany(unheard(err), n)
		p.m.s.Revoke(p, status.Convert(err))
		return
	}
	h.count.published.Add(uint64(n))
	if r := t.kept.Load(); r != nil {
		p.deliverKept(by, m, n, r)
	} else {
		h.endOverflown(p.push(by, m, n, t.audienceNow(h)))
	}
	m.Done()
}

// push gives n publications to an audience and returns those whom the policy is to end.
func (p *publisher) push(by flusher, m *outlet.Parcel, n int, a *audience) (over []*feed) {
	if len(a.listeners) == 0 {
		p.m.hub.count.orphaned.Add(uint64(n))
		p.orphaned(m)
	}
	for i := range a.listeners {
		l := &a.listeners[i]
		m.Expect(l.f, l.f.m.id)
		switch v, _ := l.f.out.Push(m, l.label); v {
		case outlet.Delivered:
			by.FlushAfter(l.f.m.s)
		case outlet.Overflown:
			over = append(over, l.f)
		}
	}
	return over
}

// endOverflown ends subscriptions that too much waited for.
func (h *Hub) endOverflown(feeds []*feed) {
	for _, f := range feeds {
		h.endFeed(f, status.Errorf(status.Overloaded, "more than %d messages, or %d bytes, waited for the subscription", f.out.Limit(), f.out.Bytes()))
	}
}

// audienceNow returns who takes the publications of t.
func (t *topic) audienceNow(h *Hub) *audience {
	if a := t.audience.Load(); a != nil && a.seen == t.room.changed.Load() {
		return a
	}
	return h.matchAudience(t)
}

// matchAudience finds out who takes the publications of t. It is in effect for the next
// message of any publisher.
func (h *Hub) matchAudience(t *topic) *audience {
	h.mu.RLock()
	defer h.mu.RUnlock()
	a := &audience{seen: t.room.changed.Load()}
	labels := make(map[*Member]*session.Route)
	if old := t.audience.Load(); old != nil {
		for _, l := range old.listeners {
			labels[l.f.m] = l.label
		}
	}
	for _, f := range t.room.trie.Match(nil, t.at.name) {
		if !f.m.grants.Load().May(auth.VerbSubscribe, t.at.channel, t.at.name) {
			continue
		}
		label := labels[f.m]
		if label == nil {
			label = f.m.s.Route(wire.Bind{Class: wire.ClassLabel, Channel: t.at.channel, Name: t.at.name})
			labels[f.m] = label
		}
		a.blocks = a.blocks || f.out.Blocks()
		a.listeners = append(a.listeners, listener{f: f, label: label})
	}
	t.audience.Store(a)
	return a
}
