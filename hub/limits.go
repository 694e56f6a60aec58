// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/hub/bulletin"
	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// user is what the sessions with one identity have together.
type user struct {
	name   string
	queued outlet.Account
	toll   *toll // nil for no bound

	// guarded by hub.mu
	sessions int // with those that are only reserved

	members atomic.Pointer[[]*Member] // written under hub.mu
}

func (u *user) all() []*Member {
	if all := u.members.Load(); all != nil {
		return *all
	}
	return nil
}

// seatLocked counts a session of a user, unless that has too many.
func (h *Hub) seatLocked(name string) (*user, error) {
	u := h.users[name]
	if u == nil {
		u = &user{name: name, toll: h.tollLocked(quota.ByUser, name, h.cfg.PerUser.Rate), queued: outlet.Account{Limit: h.cfg.PerUser.QueuedBytes, Within: &h.queued}}
	}
	if err := quota.Check(operation.Limit{Name: quota.Sessions, Scope: quota.ByUser, Of: name, Usage: u.sessions, Bound: h.cfg.PerUser.Sessions}); err != nil {
		return nil, err
	}
	u.sessions++
	h.users[name] = u
	return u, nil
}

// unseatLocked ends what seatLocked began.
func (h *Hub) unseatLocked(u *user) {
	if u.sessions--; u.sessions == 0 {
		delete(h.users, u.name)
		h.restLocked(u.toll)
	}
}

// joinUserLocked enters m among the members of its user, or takes it out.
func (m *Member) joinUserLocked(in bool) {
	all := slices.DeleteFunc(slices.Clone(m.user.all()), func(o *Member) bool { return o == m })
	if in {
		all = append(all, m)
	}
	m.user.members.Store(&all)
}

// usage returns how much of what a limit is about a member has; hub.mu is held.
func (h *Hub) usageLocked(m *Member, name string) int {
	channels, methods, topics := h.dir.Usage(m)
	switch name {
	case quota.Channels, quota.Members:
		return channels
	case quota.Methods:
		return methods
	case quota.Topics:
		return topics
	case quota.Subscriptions:
		return len(m.feeds)
	case quota.Calls:
		return m.s.Inbound()
	case quota.QueuedBytes:
		return m.queued.Used()
	}
	return 0
}

// mayLocked returns why m, or its user, may not have one more of something, or nil. A bound
// of 0 is none.
func (m *Member) mayLocked(name string, perMember, perUser int) error {
	if perMember > 0 {
		if err := quota.Check(operation.Limit{Name: name, Scope: quota.ByMember, Of: m.id, Usage: m.hub.usageLocked(m, name), Bound: perMember}); err != nil {
			return err
		}
	}
	if perUser <= 0 {
		return nil
	}
	sum := 0
	for _, o := range m.user.all() {
		sum += m.hub.usageLocked(o, name)
	}
	if err := quota.Check(operation.Limit{Name: name, Scope: quota.ByUser, Of: m.user.name, Usage: sum, Bound: perUser}); err != nil {
		return err
	}
	return nil
}

// mayJoinLocked judges whether m may be in a channel.
func (m *Member) mayJoinLocked(d *directory.Directory[*Member], channel string) error {
	if d.Has(channel, m) {
		return nil
	}
	return m.mayLocked(quota.Channels, 0, m.hub.cfg.PerUser.Channels)
}

// mayOfferLocked judges whether m may provide a method, or declare a topic.
func (m *Member) mayOfferLocked(d *directory.Directory[*Member], channel, name string, topic bool) error {
	if c := d.Channel(channel); c != nil {
		if _, methods, topics, ok := c.Seat(m); ok && slices.Contains(methods, name) && !topic || ok && slices.Contains(topics, name) && topic {
			return nil
		}
	}
	if err := m.mayJoinLocked(d, channel); err != nil {
		return err
	}
	cfg := &m.hub.cfg
	if topic {
		return m.mayLocked(quota.Topics, cfg.MaxTopicsPerMember, cfg.PerUser.Topics)
	}
	return m.mayLocked(quota.Methods, cfg.MaxMethodsPerMember, cfg.PerUser.Methods)
}

// mayCall judges whether the user of m may have one more call open. It counts what is open
// now: calls that begin at the same moment can pass the bound by one each.
func (m *Member) mayCall(shape wire.Shape) error {
	bound := m.hub.cfg.PerUser.Calls
	if bound <= 0 {
		return nil
	}
	open := 0
	if shape != wire.Unary {
		open = -1 // this one is counted already
	}
	for _, o := range m.user.all() {
		open += o.s.Inbound()
	}
	if err := quota.Check(operation.Limit{Name: quota.Calls, Scope: quota.ByUser, Of: m.user.name, Usage: max(open, 0), Bound: bound}); err != nil {
		m.hub.refused(m.id, m.user.name, err)
		return err
	}
	return nil
}

// refused tells of a limit that was hit, if err says so: it is counted, published and, not
// more than once in a second, logged with who has most. hub.mu is not held.
func (h *Hub) refused(member, identity string, err error) {
	l, ok := quota.Of(err)
	if !ok {
		return
	}
	h.count.limits.Add(1)
	h.board.Post(bulletin.Events, operation.EventLimit, func(now time.Time, held uint64) any {
		return operation.Event{
			Time: now, Type: operation.EventLimit, Member: member, Identity: identity, Held: held,
			Code: status.LimitExceeded.String(), Reason: status.Convert(err).Message, Limit: &l,
		}
	})
	others, ok := h.rejected.Line(h.cfg.Now())
	if !ok {
		return
	}
	h.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "a limit was hit",
		slog.String("hub", h.cfg.ID), slog.String("member", member), slog.String("identity", identity),
		slog.String("limit", l.Name), slog.String("scope", l.Scope), slog.String("of", l.Of),
		slog.Int("usage", l.Usage), slog.Int("bound", l.Bound), slog.String("top", h.top(&l)), slog.Int("more_since", others))
}

// top returns who has most of what a limit is about.
func (h *Hub) top(l *operation.Limit) string {
	var shares []quota.Share
	h.mu.RLock()
	defer h.mu.RUnlock()
	if l.Name == quota.Sessions {
		for _, u := range h.users {
			shares = append(shares, quota.Share{Of: u.name, Usage: u.sessions})
		}
		return quota.Top(shares, 3)
	}
	for _, m := range h.members {
		switch {
		case m == nil, l.Scope == quota.ByUser && m.user.name != l.Of:
		case l.Scope == quota.ByChannel && !h.dir.Has(l.Of, m):
		default:
			shares = append(shares, quota.Share{Of: m.id, Usage: h.usageLocked(m, l.Name)})
		}
	}
	return quota.Top(shares, 3)
}
