// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/wire"
)

// Kick ends the session of a member; reason is told it, and who reads the hub's events.
func (h *Hub) Kick(member, reason string) error { return h.kick("", member, reason) }

func (h *Hub) kick(by, member, reason string) error {
	m, err := h.member(member)
	if err != nil {
		return err
	}
	why := guard.Removal(by, reason)
	h.postEviction("", member, by, why)
	h.cfg.Log.Info("member removed from the hub", "hub", h.cfg.ID, "member", member, "by", by, "reason", why)
	m.s.CloseWith(&status.Error{Code: status.Evicted, Message: why})
	return nil
}

// Tell sends an event to a member, whatever channels it is in: it comes on the channel "$",
// from the hub. What m carries for forwarders is not looked at. It does not wait: what does
// not fit into the member's queue is dropped, counted and told as any event is.
func (h *Hub) Tell(member, name string, m session.Message) error {
	to, err := h.member(member)
	if err != nil {
		return err
	}
	if err := subject.ValidateMethod(name); err != nil {
		return status.Errorf(status.InvalidArgument, "%w", err)
	}
	p := outlet.Of(session.Message{Codec: m.Codec, Payload: append([]byte(nil), m.Payload...), Headers: m.Headers})
	e := to.emitter(wire.Bind{Class: wire.ClassEvent, Channel: operation.Channel, Name: name})
	v, err := e.out.Push(&p, nil)
	if v == outlet.Refused { // that of an earlier message: this one asks anew
		v, err = e.out.Push(&p, nil)
	}
	p.Done()
	to.s.FlushNow()
	switch v {
	case outlet.Refused:
		return status.Convert(err)
	case outlet.Gone:
		return status.Errorf(status.NotFound, "member %q has just gone", member)
	}
	return nil
}

// member returns the member of an id.
func (h *Hub) member(id string) (*Member, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if m := h.members[id]; m != nil {
		return m, nil
	}
	return nil, status.Errorf(status.NotFound, "there is no member %q", id)
}

func (h *Hub) postEviction(channel, member, by, why string) {
	h.post(operation.Event{
		Type: operation.EventEvict, Channel: channel, Member: member, By: by, Code: status.Evicted.String(), Reason: why,
	})
}

// kick is done by the owner of a channel, or an administrator; whom it hits learns the reason
// from what ends.
func (m *Member) kick(in operation.Eviction) (out operation.Empty, err error) {
	admin := m.administers()
	if in.Channel == "" {
		if admin != nil {
			return out, admin
		}
		return out, m.hub.kick(m.id, in.Member, in.Reason)
	}
	cause := &status.Error{Code: status.Evicted, Message: guard.Eviction(m.id, in.Reason)}
	var after aftermath
	err = m.change(cause, func(d *directory.Directory[*Member], now time.Time) ([]change, error) {
		if err := guard.Named(in.Channel); err != nil {
			return nil, err
		}
		if err := m.hub.mayLocked(in.Channel, m); err != nil { // an administrator may end the session instead
			return nil, err
		}
		if admin != nil {
			if err := m.allowed(auth.VerbOwn, in.Channel, ""); err != nil {
				return nil, err
			}
		}
		whom := m.hub.members[in.Member]
		if whom == nil {
			return nil, status.Errorf(status.NotFound, "there is no member %q", in.Member)
		}
		if c := d.Channel(in.Channel); admin == nil && c != nil && c.Owner() != m {
			cause.Message = guard.Removal(m.id, in.Reason) // nobody has seen it yet
			return d.Leave(in.Channel, whom, cause.Message)
		}
		changes, err := d.Kick(in.Channel, m, whom, cause.Message)
		if err == nil {
			m.hub.lockOutLocked(in.Channel, whom, cause.Message, now, &after)
		}
		return changes, err
	})
	after.run()
	if err == nil {
		m.hub.postEviction(in.Channel, in.Member, m.id, cause.Message)
	}
	return out, err
}

// tell is the operation.
func (m *Member) tell(in operation.Message) (out operation.Empty, err error) {
	if err := m.administers(); err != nil {
		return out, err
	}
	return out, m.hub.Tell(in.Member, in.Name, session.Message{Codec: codecJSON, Payload: in.Payload})
}
