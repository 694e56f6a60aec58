// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Peer is a session of a Server, by which the server calls, sends and subscribes in its
// turn.
type Peer struct {
	*direct
	s *session.Session
}

// direct is embedded under a name of its own.
type direct = service.Channel

func newPeer(srv *Server, s *session.Session) *Peer {
	p := &Peer{s: s}
	p.direct = service.NewChannel(fixed{s}, srv.offers, "")
	return p
}

// ID returns the peer's member id.
func (p *Peer) ID() string { return p.s.Peer().ID }

// Conversation returns the session with the peer.
func (p *Peer) Conversation() *session.Session { return p.s }

// fixed is the Source of a session that cannot be made anew.
type fixed struct{ s *session.Session }

// Session implements service.Source.
func (f fixed) Session(context.Context) (*session.Session, error) { return f.s, nil }

// Peers lists the sessions, sorted by id.
func (s *Server) Peers() []*Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers := make([]*Peer, 0, len(s.sessions))
	for _, p := range s.sessions {
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b *Peer) int { return strings.Compare(a.ID(), b.ID()) })
	return peers
}

// Peer returns the session with a member id, nil if there is none.
func (s *Server) Peer(id string) *Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.sessions {
		if p.ID() == id {
			return p
		}
	}
	return nil
}

// Offer offers a method to all peers, see plexus.Handle. A server of a hub has no peers of its
// own: that is status.FailedPrecondition.
func (s *Server) Offer(_ context.Context, name string, terms service.Terms, h service.Handler) (*service.Registration, error) {
	if err := s.serves(); err != nil {
		return nil, err
	}
	remove, err := s.offers.Handle("", name, terms, h)
	return service.NewRegistration(remove), err
}

// serves refuses to offer what nobody could reach.
func (s *Server) serves() error {
	if s.hub {
		return status.Errorf(status.FailedPrecondition, "this server serves a hub: offer it in a channel, as a member (plexus.Join)")
	}
	return nil
}

// Declare allows publications on a topic: by this server, and by its peers if it is shared. See
// Offer about servers of a hub.
func (s *Server) Declare(_ context.Context, name string, terms service.TopicTerms) (*service.Registration, error) {
	if err := s.serves(); err != nil {
		return nil, err
	}
	if err := terms.Direct(); err != nil {
		return nil, err
	}
	retract, err := s.offers.Declare("", name, terms)
	return service.NewRegistration(retract), err
}

// Subscribe subscribes to the topics that are declared at this server. What a peer
// declares itself is subscribed to at the Peer.
func (s *Server) Subscribe(_ context.Context, pattern string, o service.SubscribeOptions) (*service.Subscription, error) {
	return s.offers.SubscribeLocal("", pattern, o)
}

// Topic returns a handle on a declared topic to publish to.
func (s *Server) Topic(name string) session.Emitter { return topic{s, name} }

type topic struct {
	s    *Server
	name string
}

// Emit implements session.Emitter.
func (t topic) Emit(_ context.Context, m session.Message) error {
	return t.s.offers.Publish("", t.name, m)
}

// Listen has f called for the events that peers send, named name, or for all if it is "".
func (s *Server) Listen(name string, f func(service.Event)) *service.Listener {
	return s.offers.Listen(func(_, event string) bool { return name == "" || name == event }, f)
}

// Broadcast returns a handle on an event for all peers.
func (s *Server) Broadcast(name string) session.Emitter { return broadcast{s, name} }

type broadcast struct {
	s    *Server
	name string
}

// Emit implements session.Emitter: it sends to one peer after the other and joins what
// goes wrong; a peer that has gone meanwhile is no error.
func (b broadcast) Emit(ctx context.Context, m session.Message) error {
	var errs []error
	for _, p := range b.s.Peers() {
		if err := p.Broadcast(b.name).Emit(ctx, m); err != nil && p.s.Err() == nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// acceptPause waits between errors of Accept, ever longer, and logs few of them.
type acceptPause struct {
	log    *slog.Logger
	d      time.Duration
	logged time.Time
}

func (p *acceptPause) reset() { p.d = 0 }

func (p *acceptPause) wait(err error) {
	p.d = min(max(2*p.d, 5*time.Millisecond), time.Second)
	if time.Since(p.logged) > 5*time.Second {
		p.logged = time.Now()
		p.log.Warn("accept failed, trying again", "error", err.Error(), "pause", p.d)
	}
	time.Sleep(p.d)
}

func itoa(n uint64) string { return strconv.FormatUint(n, 36) }
