// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Admission is one connection's way into the hub. The id that it is given is reserved from
// the moment in the handshake at which the peer has proved itself, by this Admission and
// nobody else: a handshake that fails frees at most what it reserved itself, never the id
// of a member. Its methods are safe for concurrent use.
type Admission struct {
	h   *Hub
	cfg session.Config

	mu       sync.Mutex
	reserved string // "" if nothing is
	user     *user  // whose session is counted with the reservation
	released bool

	once   sync.Once
	member *Member
	err    error
}

// Admission returns one for the next connection. base holds what the hub has no opinion
// on: limits, authentication, gate, log. base.Admit, if set, is asked first, and the id
// that it returns is the wanted one. base.Metadata and Product are what the hub says of
// itself.
func (h *Hub) Admission(base session.Config) *Admission {
	a := &Admission{h: h, cfg: base}
	a.cfg.ID, a.cfg.Instance = h.cfg.ID, h.instance
	a.cfg.Features = append(slices.Clip(base.Features), operation.Feature)
	a.cfg.Router = a
	if a.cfg.Log == nil {
		a.cfg.Log = slog.New(slog.DiscardHandler)
	}
	a.cfg.Log = h.Logger(a.cfg.Log) // below that every frame is a line, also those that tell of it
	a.cfg.SourceName = h.names.ID
	a.cfg.Admit = func(ctx context.Context, p session.Peer) (string, error) {
		if base.Admit != nil {
			id, err := base.Admit(ctx, p)
			if err != nil {
				return "", err
			}
			p.ID = id
		}
		return a.admit(&p)
	}
	return a
}

// Config returns what session.Accept is to be given, for one connection.
func (a *Admission) Config() *session.Config { return &a.cfg }

// Release frees the id if the session has not been attached. It is called when the
// handshake is over, however it ended; later calls do nothing.
func (a *Admission) Release() {
	a.mu.Lock()
	id := a.reserved
	a.reserved, a.released = "", true
	a.mu.Unlock()
	if id != "" {
		a.h.unreserve(id, a.user)
	}
}

// Attach makes the session a member, until it ends. It may be called more than once and
// returns the same Member; the first frame of the peer that needs it calls it, too.
func (a *Admission) Attach(s *session.Session) (*Member, error) {
	a.once.Do(func() { a.member, a.err = a.attach(s) })
	return a.member, a.err
}

func (a *Admission) attach(s *session.Session) (*Member, error) {
	a.mu.Lock()
	ok := !a.released && a.reserved != "" && a.reserved == s.Peer().ID
	if ok {
		a.reserved = ""
	}
	a.mu.Unlock()
	if !ok {
		return nil, &status.Error{Code: status.FailedPrecondition, Message: "the session was not admitted by this Admission, or that was released"}
	}
	m := newMember(a.h, s, a.user)
	if err := m.enter(); err != nil {
		return nil, err
	}
	return m, nil
}

// Bind implements session.Router.
func (a *Admission) Bind(s *session.Session, b wire.Bind) (session.Target, error) {
	m, err := a.Attach(s)
	if err != nil {
		return nil, err
	}
	return m.bind(b)
}

// admit reserves an id for a peer that has proved itself.
func (a *Admission) admit(p *session.Peer) (string, error) {
	if err := guard.Newcomer(p.ID, p.Product, p.Metadata, a.h.cfg.MaxMetadata); err != nil {
		return "", err
	}
	if err := a.h.mayCome(p); err != nil {
		return "", err
	}
	if err := a.h.hasRights(p.Identity); err != nil {
		return "", err
	}
	a.h.fence(p)
	id, u, err := a.h.reserve(p.ID, p.Identity.Name)
	if err != nil {
		a.h.refused(p.ID, p.Identity.Name, err)
		return "", err
	}
	a.mu.Lock()
	late := a.released
	if !late {
		a.reserved, a.user = id, u
	}
	a.mu.Unlock()
	if late {
		a.h.unreserve(id, u)
		return "", &status.Error{Code: status.Unavailable, Message: "the hub takes no session any more"}
	}
	return id, nil
}

// fence ends the session that p, the same client with the same proof, had before and has
// lost: the hub may not know yet that it is dead, as after a cable was pulled. Nobody else
// knows a client's instance, of 128 random bits.
func (h *Hub) fence(p *session.Peer) {
	h.mu.RLock()
	old := h.members[p.ID]
	h.mu.RUnlock()
	if old == nil {
		return
	}
	was := old.s.Peer()
	if p.Instance == "" || was.Instance != p.Instance || was.Epoch >= p.Epoch || was.Identity.Name != p.Identity.Name {
		return
	}
	h.cfg.Log.Info("session fenced", "hub", h.cfg.ID, "member", p.ID, "epoch", was.Epoch, "by", p.Epoch)
	old.s.CloseWith(&status.Error{Code: status.Evicted, Message: "a newer session of the same client took its place"})
}

// reserve makes an id nobody else's, and counts a session of the user.
func (h *Hub) reserve(id, name string) (string, *user, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing != nil {
		return "", nil, h.closing
	}
	if _, taken := h.members[id]; taken && id != "" {
		return "", nil, status.Errorf(status.AlreadyExists, "member id %q is taken: choose another, or none", id)
	}
	u, err := h.seatLocked(name)
	if err != nil {
		return "", nil, err
	}
	for id == "" {
		id = "m-" + directory.RandomName(6)
		if _, taken := h.members[id]; taken {
			id = ""
		}
	}
	h.members[id] = nil
	return id, u, nil
}

// unreserve frees an id that nobody has attached to.
func (h *Hub) unreserve(id string, u *user) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.members, id)
	h.unseatLocked(u)
}
