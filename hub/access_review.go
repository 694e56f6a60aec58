// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Review is how much SetAccess has ended because it is not allowed any more.
type Review struct {
	Sessions      int // of who may do nothing any more
	Memberships   int // of channels
	Methods       int // that were provided
	Topics        int // that were declared
	Subscriptions int // and watches
	Publishers    int // routes to topics
	Calls         int // that were under way
}

// SetAccess replaces the access list, nil for none, and has everything that is there judged anew:
//
//   - Sessions of identities that may do nothing any more end with status.PermissionDenied.
//   - Members leave channels that they may not enter; what they provide and declare there without
//     the right to is withdrawn, and what such topics keep is forgotten.
//   - Subscriptions, watches and routes for publications end. Of a subscription to a pattern that
//     stays, what waits for it of topics that it may not have any more is dropped and counted.
//   - Calls and streams that are under way end: with status.PermissionDenied if the caller may not
//     call any more, with status.Unavailable if the provider may not serve it.
//   - What is sent by routes that were bound before is judged as if they were bound now.
//
// An owner without the right to own stays owner until it leaves, and can do nothing with it. When
// SetAccess has returned, nothing more goes to who may not have it, but what the session of a
// member had been given before: that may be on its way. Any number may call it at a time; all
// members are held up meanwhile.
func (h *Hub) SetAccess(a *guard.Access) Review {
	var after aftermath
	var out Review
	ended := make(map[*Member]*status.Error)
	h.mu.Lock()
	h.access = a
	for _, m := range h.members {
		if m != nil {
			m.grants.Store(a.For(m.s.Peer().Identity))
		}
	}
	h.locks.doors.Add(1)
	for _, m := range h.members {
		if m == nil {
			continue
		}
		if err := h.welcome(m.grants.Load(), m.s.Peer().Identity); err != nil {
			ended[m] = status.Convert(err)
		}
		m.reviewLocked(&out, &after)
	}
	for _, r := range h.rooms {
		r.changed.Add(1) // audiences are found anew, and …
		r.seats.Add(1)   // … targets
	}
	h.reviewCallsLocked(&out, &after)
	h.locks.doors.Add(1) // before the calls end, see link.overSince
	h.mu.Unlock()
	after.run()
	for m, why := range ended {
		m.s.CloseWith(why)
	}
	out.Sessions = len(ended)
	h.cfg.Log.Info("access list is in force", "hub", h.cfg.ID, "list", a != nil, "rules", len(a.Rules()), "sessions_ended", out.Sessions,
		"memberships", out.Memberships, "methods", out.Methods, "topics", out.Topics, "subscriptions", out.Subscriptions, "publishers", out.Publishers, "calls", out.Calls)
	h.post(operation.Event{Type: operation.EventAccess})
	return out
}

// reviewLocked ends what m may not have any more, but its calls.
func (m *Member) reviewLocked(out *Review, after *aftermath) {
	h := m.hub
	for _, channel := range h.dir.In(m) {
		if err := m.mayEnter(channel); err != nil {
			why := status.Convert(err)
			h.applyLocked(h.dir.Expel(channel, m, why.Message), why, after)
			out.Memberships++
			continue
		}
		m.reviewOffersLocked(channel, out, after)
	}
	for f := range m.feeds {
		if err := f.allowed(); err != nil {
			h.removeFeedLocked(f, status.Convert(err), after)
			out.Subscriptions++
			continue
		}
		f.barLocked(after)
	}
	for f := range m.ending { // of a hub that drains: what waits still goes out
		if err := f.allowed(); err != nil {
			delete(m.ending, f)
			after.ended = append(after.ended, ending{f, status.Convert(err)})
			out.Subscriptions++
			continue
		}
		f.barLocked(after)
	}
	for at, p := range m.publishers {
		if err := m.allowed(auth.VerbPublish, at.channel, at.name); err != nil {
			delete(m.publishers, at)
			delete(p.topic.publishers, p)
			after.revoked = append(after.revoked, revocation{p, status.Convert(err)})
			out.Publishers++
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for b, e := range m.emitters {
		if m.mayEnter(b.Channel) != nil {
			delete(m.emitters, b)
			after.closed = append(after.closed, e)
		}
	}
}

// reviewOffersLocked withdraws what m may not offer any more in a channel that it stays in.
func (m *Member) reviewOffersLocked(channel string, out *Review, after *aftermath) {
	h := m.hub
	c := h.dir.Channel(channel)
	if c == nil { // it has ended with its owner, who came before
		return
	}
	_, methods, topics, _ := c.Seat(m)
	for _, name := range methods {
		if m.allowed(auth.VerbProvide, channel, name) == nil {
			continue
		}
		if changes, err := h.dir.Withdraw(channel, name, m); err == nil {
			h.applyLocked(changes, nil, after)
			out.Methods++
		}
	}
	for _, name := range topics {
		if m.allowed(auth.VerbDeclare, channel, name) == nil {
			continue
		}
		if changes, err := h.dir.Retract(channel, name, m); err == nil {
			h.applyLocked(changes, nil, after)
			out.Topics++
		}
	}
}

// barLocked drops what waits for a subscription to a pattern of topics that it may not have any
// more. What a publisher is just giving it of them does not get in either.
func (f *feed) barLocked(after *aftermath) {
	if f.reader != nil || !subject.IsPattern(f.pattern) {
		return
	}
	g := f.m.grants.Load()
	var barred map[string]struct{}
	for _, t := range f.m.hub.matchedLocked(f) {
		if !g.May(auth.VerbSubscribe, f.channel, t.at.name) {
			if barred == nil {
				barred = make(map[string]struct{})
			}
			barred[t.at.name] = struct{}{}
		}
	}
	if f.out.Bar(barred, func(name string) bool { return g.May(auth.VerbSubscribe, f.channel, name) }) {
		if after.watched == nil {
			after.watched = make(map[*feed]struct{})
		}
		after.watched[f] = struct{}{} // it is told of the gap
	}
}

// barring is a call without streams that ends because it is not allowed any more.
type barring struct {
	l      *link
	id     uint32
	reason *status.Error
}

// reviewCallsLocked ends the calls whose caller may not call, or whose provider may not serve it.
func (h *Hub) reviewCallsLocked(out *Review, after *aftermath) {
	for _, m := range h.members {
		if m == nil {
			continue
		}
		m.mu.Lock()
		links := append([]*link(nil), m.links...)
		for r := range m.relays {
			if why := forbidden(m, r.o.Load().m, r.channel, r.name); why != nil {
				after.cut = append(after.cut, cutting{r, why})
				out.Calls++
			}
		}
		m.mu.Unlock()
		for _, l := range links {
			if b := l.review(); b.reason != nil {
				after.barred = append(after.barred, b)
				out.Calls++
			}
		}
	}
}

// forbidden returns why a call is not allowed any more, or nil. The provider may be nil.
func forbidden(from, to *Member, channel, name string) *status.Error {
	if err := from.allowed(auth.VerbCall, channel, name); err != nil {
		return status.Convert(err)
	}
	if to != nil && !to.grants.Load().May(auth.VerbProvide, channel, name) {
		return errBarred
	}
	return nil
}

// review judges the call of a link. l may be nil.
func (l *link) review() (b barring) {
	if l == nil {
		return b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var to *Member
	var at place
	switch {
	case !l.busy:
		return b
	case l.offer != nil:
		bind := l.offer.route.Bind()
		to, at = l.offer.m, place{bind.Channel, bind.Name}
	case l.req != nil:
		at = l.req.p.at
	default:
		return b
	}
	return barring{l, l.id, forbidden(l.m, to, at.channel, at.name)}
}

// over returns why the call was ended by bar, perhaps before the session knew of it, or nil.
func (l *link) over() *status.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.barred
}

// overSince is over for a call that began after doors was read. That it ended since shows in doors.
func (l *link) overSince(door uint64) *status.Error {
	if l.m.hub.locks.doors.Load() == door {
		return nil
	}
	return l.over()
}

// bar ends a call at once. The provider is told; what it answers is not taken. The link is used
// no more: the caller's next call in this slot gets another.
func (l *link) bar(id uint32, why *status.Error) {
	l.mu.Lock()
	if !l.busy || l.id != id {
		l.mu.Unlock()
		return
	}
	l.busy, l.cancelled, l.barred = false, true, why
	pass, o, callee, stop, q := l.running, l.offer, l.callee, l.stop, l.req
	l.mu.Unlock()
	m := l.m
	m.mu.Lock()
	for i := range m.links {
		if m.links[i] == l {
			m.links[i] = nil
		}
	}
	m.mu.Unlock()
	m.s.Refuse(id, m.hub.count.fail(why))
	m.s.FlushNow()
	if stop != nil {
		stop()
	}
	if pass {
		o.route.Cancel(callee)
		o.m.s.FlushNow()
	} else if q != nil {
		q.withdraw()
	}
}
