// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// want is what a route is for, as the access list sees it.
type want struct {
	verb          auth.Verb
	channel, name string
}

func (r *caller) want() want { return want{auth.VerbCall, r.bind.Channel, r.bind.Name} }

func (p *publisher) want() want { return want{auth.VerbPublish, p.topic.at.channel, p.topic.at.name} }

// allowed returns why the access list, or its own bound, does not let m do something, or nil.
func (m *Member) allowed(verb auth.Verb, channel, name string) error {
	if m.grants.Load().May(verb, channel, name) {
		return nil
	}
	return guard.Forbid(m.s.Peer().Identity, verb, channel, name)
}

// mayEnter returns why m may have nothing to do with a channel, or nil. The hub's own channel,
// and "" for all, are open: what is told there is judged by itself.
func (m *Member) mayEnter(channel string) error {
	if channel == "" || channel == operation.Channel {
		return nil
	}
	return m.allowed(auth.VerbJoin, channel, "")
}

// mayOffer is allowed for a name that nobody has looked at: one that is none is for the
// directory to refuse.
func (m *Member) mayOffer(verb auth.Verb, channel, name string) error {
	if named := subject.ValidateTopic(name) == nil && subject.ValidateChannel(channel) == nil; named {
		return m.allowed(verb, channel, name)
	}
	return nil
}

// entitled asks by, unless the access list or the bound of an identity has decided.
func entitled(g *guard.Grants, id auth.Identity, by func(auth.Identity) error) error {
	switch v := g.Administers(); {
	case v == guard.Allowed:
		return nil
	case v == guard.Forbidden, v == guard.Denied && !id.Own(): // the hub's own user can always mend the list
		return guard.Forbid(id, auth.VerbAdminister, "the hub", "")
	}
	return by(id)
}

// administers returns why m is no administrator, or nil.
func (m *Member) administers() error {
	return entitled(m.grants.Load(), m.s.Peer().Identity, m.hub.cfg.Rights.Administer)
}

// reads returns why m may not read what the hub publishes, or nil.
func (m *Member) reads() error {
	return entitled(m.grants.Load(), m.s.Peer().Identity, m.hub.cfg.Rights.Read)
}

// welcome returns why somebody who may do nothing at all is not let in, or nil.
func (h *Hub) welcome(g *guard.Grants, id auth.Identity) error {
	if !g.Nothing() || entitled(g, id, h.cfg.Rights.Administer) == nil || entitled(g, id, h.cfg.Rights.Read) == nil {
		return nil
	}
	return guard.NoRights(id)
}

// hasRights is welcome for who is not in yet.
func (h *Hub) hasRights(id auth.Identity) error {
	h.mu.RLock()
	access := h.access
	h.mu.RUnlock()
	err := h.welcome(access.For(id), id)
	if err != nil {
		h.logForbidden("", id, err)
	}
	return err
}

// admittedLocked gives m its rights, and returns why it is not let in, or nil.
func (m *Member) admittedLocked() error {
	id := m.s.Peer().Identity
	g := m.hub.access.For(id)
	m.grants.Store(g)
	return m.hub.welcome(g, id)
}

// forbade tells the log, not more than once in a second, that m was not let, if err says so.
// hub.mu is not held.
func (m *Member) forbade(err error) {
	if m.grants.Load() != nil && status.CodeOf(err) == status.PermissionDenied {
		m.hub.logForbidden(m.id, m.s.Peer().Identity, err)
	}
}

func (h *Hub) logForbidden(member string, id auth.Identity, err error) {
	if others, ok := h.forbidden.Line(h.cfg.Now()); ok {
		h.cfg.Log.Warn("access denied", "hub", h.cfg.ID, "member", member, "identity", id.Name, "reason", status.Convert(err).Message, "more_since", others)
	}
}

// seesLocked reports whether m may know of another member: without rights of its own of all;
// else of itself, of who is in a channel that it may enter and, as an administrator, of all.
func (m *Member) seesLocked(o *Member) bool {
	if m.grants.Load() == nil || o == m || m.administers() == nil {
		return true
	}
	for _, channel := range m.hub.dir.In(o) {
		if m.hub.mayLocked(channel, m) == nil {
			return true
		}
	}
	return false
}

// allowed returns why the access list does not let a feed be, or nil.
func (f *feed) allowed() error {
	switch {
	case f.reader != nil:
		return f.m.reads()
	case f.pattern == "":
		return f.m.mayEnter(f.channel)
	case subject.IsPattern(f.pattern): // it brings what is allowed
		return f.m.allowed(auth.VerbSubscribe, f.channel, "")
	}
	return f.m.allowed(auth.VerbSubscribe, f.channel, f.pattern)
}

// findServer is find for a call. Who is named as its target must be let serve it, too.
func (h *Hub) findServer(b session.Bind) (*offer, error) {
	o, err := h.find(b)
	if err == nil && b.Target != "" && !o.serves(b.Channel, b.Name) {
		return nil, status.Errorf(status.NoProvider, "%s does not provide %s/%s", b.Target, b.Channel, b.Name)
	}
	return o, err
}

// serves reports whether the provider may.
func (o *offer) serves(channel, name string) bool {
	return o.m == nil || o.m.grants.Load().May(auth.VerbProvide, channel, name)
}

// errBarred is why a provider does not get a call, or its answer is not taken.
var errBarred = &status.Error{Code: status.Unavailable, Message: "the provider has lost the right to serve this", Retry: status.RetryUnsafe}

// still returns why a call is not to be sent that was just entered, because caller or provider
// has lost the right to it since that was asked, or nil. Either SetAccess finds the call, or
// this finds what SetAccess has changed.
func (r *caller) still(o *offer) error {
	if err := r.pass.check(r.m, r.want()); err != nil {
		return err
	}
	if o.valid() || o.serves(r.bind.Channel, r.bind.Name) {
		return nil
	}
	return status.Errorf(status.NoProvider, "nobody provides %s/%s", r.bind.Channel, r.bind.Name)
}
