// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"slices"
	"strconv"

	"github.com/plexus-ipc/plexus/hub/routes"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// mayCome judges who wants to be more than a member: a bridge, or one who speaks for a member of
// another hub, whose id has the form alice@west. The rule decides, and then only for a
// hub that the bridge carries.
func (h *Hub) mayCome(p *session.Peer) error {
	bridge := slices.Contains(p.Features, operation.FeatureBridge)
	_, origin := operation.Origin(p.ID)
	if !bridge && origin == "" {
		return nil
	}
	switch {
	case h.cfg.Bridges == nil || !h.cfg.Bridges(p.Identity):
		return status.Errorf(status.PermissionDenied, "%s may not be a bridge of this hub: ids with '@' and the feature %q are for those whom its rule names",
			p.Identity.Name, operation.FeatureBridge)
	case origin == "":
		return nil
	case !bridge:
		return status.Errorf(status.PermissionDenied, "id %q is for bridges, and the session is not one of a bridge", p.ID)
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	best, ok := h.ways.Best(origin)
	if !ok || best.Link.id != p.Metadata[operation.MetaLink] || best.Link.s.Peer().Identity.Name != p.Identity.Name {
		return &status.Error{Code: status.FailedPrecondition, Message: "the way to hub " + origin + " is another", Retry: status.RetrySafe}
	}
	return nil
}

// isBridge reports whether m was admitted as a session of a bridge.
func (m *Member) isBridge() bool {
	return slices.Contains(m.s.Peer().Features, operation.FeatureBridge)
}

// linkUp is the operation Link.
func (m *Member) linkUp(in operation.LinkState) (out operation.LinkTable, err error) {
	if _, origin := operation.Origin(m.id); origin != "" || !m.isBridge() {
		return out, status.Errorf(status.PermissionDenied, "%s is no bridge of this hub", m.id)
	}
	h := m.hub
	var after aftermath
	h.mu.Lock()
	err = m.aliveLocked()
	var changed bool
	if err == nil {
		changed, err = h.ways.Set(m, in.Routes)
	}
	if changed {
		h.tellLocked(&operation.Notice{Type: operation.NoticeRoute, Member: m.id}, &after)
	}
	out = operation.LinkTable{Hub: h.cfg.ID, Incarnation: h.incarnation, Routes: []operation.Way{}}
	for _, b := range h.ways.List() {
		out.Routes = append(out.Routes, operation.Way{Reach: b.Reach, Member: b.Link.id})
	}
	h.mu.Unlock()
	after.run()
	return out, err
}

// unlinkLocked forgets what m has said of other hubs.
func (h *Hub) unlinkLocked(m *Member, after *aftermath) {
	if h.ways.Remove(m) {
		h.tellLocked(&operation.Notice{Type: operation.NoticeRoute, Member: m.id}, after)
	}
}

// dismissLocked returns the sessions that speak for members of other hubs by the link m: they end
// with it.
func (h *Hub) dismissLocked(m *Member) (guests []*Member) {
	if !m.isBridge() || m.remote {
		return nil
	}
	for _, g := range h.members {
		if g != nil && g.remote && g.s.Peer().Metadata[operation.MetaLink] == m.id {
			guests = append(guests, g)
		}
	}
	return guests
}

// pathLocked returns the hubs on the way to m, nil if it is a member of this one.
func (m *Member) pathLocked() []string {
	if !m.remote {
		return nil
	}
	_, origin := operation.Origin(m.id)
	b, _ := m.hub.ways.Best(origin)
	return b.Reach.Path
}

// life returns what tells m's session from others that its id has had, here and at other hubs.
func (m *Member) life() string {
	if m.remote {
		return m.s.Peer().Metadata[operation.MetaSession]
	}
	return m.hub.incarnation + "-" + strconv.FormatUint(m.number, 10)
}

// begin returns whether a publication is to be given out: one of a member of another hub that
// came by another way before is not. turn is to be ended after that, unless it is nil.
func (p *publisher) begin(sequence uint64) (turn *routes.Turn, fresh bool) {
	m := p.m
	if !m.remote || sequence == 0 {
		return nil, true
	}
	at := p.topic.at
	lane := routes.Lane{Sender: m.id, Session: m.life(), Channel: at.channel, Name: at.name}
	turn = m.hub.lanes.Begin(lane, m.s.Peer().Instance, sequence)
	return turn, turn != nil
}
