// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Member is a session that is attached to a hub. Its methods are safe for concurrent use.
type Member struct {
	hub    *Hub
	s      *session.Session
	id     string
	number uint64 // what the source field of its messages says
	user   *user
	queued outlet.Account     // bytes that wait for it at the hub
	pace   *pace              // nil for no bound
	remote bool               // it stands for a member of another hub
	from   *deadletter.Sender // what dead letters say of it; nil if none are kept

	grants atomic.Pointer[guard.Grants] // what it may do, nil for all; written under hub.mu

	// guarded by hub.mu
	ended      bool
	feeds      map[*feed]struct{}
	ending     map[*feed]struct{} // in no table any more, but something still waits; nil mostly
	publishers map[place]*publisher
	keys       keyring

	mu       sync.Mutex
	links    []*link // by the slot of the member's call ids
	emitters map[wire.Bind]*emitter
	relays   map[*relay]struct{} // of the calls of this member that have streams
	hubNonce []byte              // nil until a channel is to be unlocked
}

func newMember(h *Hub, s *session.Session, u *user) *Member {
	id := s.Peer().ID
	_, origin := operation.Origin(id)
	return &Member{
		from: h.dead.sender(s), hub: h, s: s, id: id, remote: origin != "", number: h.names.Add(id), feeds: make(map[*feed]struct{}),
		user: u, pace: newPace(h.cfg.MaxRatePerMember), queued: outlet.Account{Limit: h.cfg.MaxQueuedPerMember, Within: &u.queued},
	}
}

// ID returns the member's id, which is unique in the hub as long as the member is in it.
func (m *Member) ID() string { return m.id }

// Session returns the session that the member is.
func (m *Member) Session() *session.Session { return m.s }

// enter puts m into the table, in the place of its reservation.
func (m *Member) enter() error {
	h := m.hub
	h.mu.Lock()
	var closing error
	if h.closing != nil {
		closing = h.closing
	} else {
		closing = m.admittedLocked() // the list may be another one than at its handshake
	}
	if closing == nil {
		h.members[m.id] = m
		h.present.Add(1)
		m.joinUserLocked(true)
		h.count.sessions.Add(1)
	} else {
		delete(h.members, m.id)
		h.unseatLocked(m.user)
	}
	h.mu.Unlock()
	if closing != nil {
		h.names.Remove(m.number)
		return closing
	}
	h.cfg.Log.Debug("member attached", "hub", h.cfg.ID, "member", m.id, "identity", m.s.Peer().Identity.Name, "address", m.s.Peer().Address)
	m.postSession(operation.EventConnect, nil)
	m.s.OnEnd(m.leave)
	return nil
}

// leave takes m out of everything. It runs once, when the session ends; calls under way
// are failed by the session itself, which tells the sinks.
func (m *Member) leave(cause error) {
	h := m.hub
	h.leaving.Add(1)
	defer h.leaving.Add(-1)
	reason := status.Convert(cause)
	var after aftermath
	h.mu.Lock()
	m.ended = true
	delete(h.members, m.id)
	carried := m.s.Stats()
	h.gone.add(&carried)
	m.joinUserLocked(false)
	h.unseatLocked(m.user)
	h.applyLocked(h.dir.Remove(m, reason.Message), nil, &after)
	h.unlinkLocked(m, &after)
	guests := h.dismissLocked(m)
	for f := range m.feeds {
		h.removeFeedLocked(f, reason, &after)
	}
	for f := range m.ending {
		after.ended = append(after.ended, ending{f, reason})
	}
	m.ending = nil
	for at, p := range m.publishers {
		delete(m.publishers, at)
		if t := h.topics[at]; t != nil {
			delete(t.publishers, p)
		}
	}
	h.mu.Unlock()
	after.run()
	for _, g := range guests {
		g.s.CloseWith(&status.Error{Code: status.PeerGone, Message: "the link to its hub has gone"})
	}
	m.closeEmitters()
	m.postSession(operation.EventDisconnect, reason)
	h.names.Remove(m.number)
	h.present.Done()
	h.cfg.Log.Debug("member gone", "hub", h.cfg.ID, "member", m.id, "code", reason.Code.String(), "reason", reason.Message)
}

// aliveLocked returns why m can change nothing any more.
func (m *Member) aliveLocked() error {
	if m.ended {
		return &status.Error{Code: status.PeerGone, Message: "the session has ended"}
	}
	if m.hub.closing != nil {
		return m.hub.closing
	}
	return nil
}
