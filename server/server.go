// SPDX-License-Identifier: Apache-2.0

// Package server accepts: it runs the accept loop, shakes hands with limits, and keeps the
// sessions. A Server serves its own table of methods, events and topics to direct peers,
// or gives its sessions to a hub.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/transport"
)

// Defaults of Config.
const (
	DefaultMaxSessions   = 10_000
	DefaultMaxHandshakes = 256

	DefaultMaxSessionRate = 5_000                    // about what two cores can shake hands with
	DefaultHeartbeat      = session.DefaultHeartbeat // where the kernel does not report a dead peer at once
)

// Config describes a Server. The zero value is useful.
type Config struct {
	// Session describes this side of each session. For direct use its Router and Admit
	// are set by New. A Heartbeat of 0 is DefaultHeartbeat where the operating system does
	// not tell of a dead peer at once (transport.TellsDeath); one that is set holds for every
	// listener.
	Session session.Config
	// Admission, if not nil, makes the sessions a hub's: it is asked once per connection
	// with Session as the base.
	Admission func(base session.Config) Admission
	// MaxSessions and MaxHandshakes bound the sessions, and the connections that have not
	// finished their handshake. What is beyond waits in the backlog (handshakes) or is
	// told status.LimitExceeded. Who has waited in the backlog for a moment, because handshakes
	// do not end, is told status.Overloaded.
	MaxSessions, MaxHandshakes int
	// MaxSessionRate is how many connections of its listeners may begin to prove themselves in
	// a second, and as many at once after a rest; 0 is DefaultMaxSessionRate, less is no bound.
	// Others are told status.Overloaded and when to come back, see service.RetryAfter.
	MaxSessionRate int
	// One makes a server of one peer: others are told status.Busy. The option one=1 of an
	// endpoint does the same for those who come by it.
	One bool
	// OnError is told of what goes wrong without a caller, see service.Table.
	OnError func(error)
	// Log takes what is worth a line; nil discards it.
	Log *slog.Logger
}

// Admission is one connection's way into a hub.
type Admission struct {
	Config  *session.Config              // for the handshake
	Attach  func(*session.Session) error // once it has succeeded
	Release func()                       // in any case, at the end
}

// offers is embedded under a name of its own: its methods are the Server's.
type offers = service.Table

// Server is the accepting end. It is safe for concurrent use.
type Server struct {
	*offers // what it offers to direct peers

	cfg      Config
	hub      bool // it gives its sessions to a hub
	began    time.Time
	accepted atomic.Uint64
	refused  atomic.Uint64
	next     atomic.Uint64
	slots    chan struct{} // a token per running handshake
	gate     *turnstile

	mu        sync.Mutex
	closed    bool
	listeners map[transport.Listener]struct{}
	pending   map[transport.Conn]struct{}
	sessions  map[*session.Session]*Peer
	admitted  int                 // handshakes that were let in and are not over
	vacated   chan struct{}       // closed when a session has left, nil if nobody waits for that
	told      time.Time           // when it was logged last that the server is full
	ended     session.Stats       // of the sessions that are over
	ids       map[string]struct{} // of sessions and of handshakes that were admitted
	wg        sync.WaitGroup
}

// New returns a Server without listeners.
func New(cfg Config) *Server {
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = DefaultMaxSessions
	}
	if cfg.MaxHandshakes <= 0 {
		cfg.MaxHandshakes = DefaultMaxHandshakes
	}
	if cfg.MaxSessionRate == 0 {
		cfg.MaxSessionRate = DefaultMaxSessionRate
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		offers: &service.Table{OnError: cfg.OnError}, cfg: cfg, began: time.Now(), slots: make(chan struct{}, cfg.MaxHandshakes),
		listeners: make(map[transport.Listener]struct{}), pending: make(map[transport.Conn]struct{}),
		sessions: make(map[*session.Session]*Peer), ids: make(map[string]struct{}),
	}
	s.gate = newTurnstile(cfg.MaxSessionRate, s.began, cfg.Log)
	if cfg.Session.Log == nil {
		s.cfg.Session.Log = cfg.Log
	}
	if cfg.Session.Gate == nil {
		s.cfg.Session.Gate = session.NewGate(session.DefaultMaxHandlers, session.DefaultMaxQueue)
	}
	s.offers.Operations = s.operation
	s.hub = cfg.Admission != nil
	if cfg.Admission == nil {
		s.cfg.Admission = s.direct
	}
	return s
}

// Serve accepts connections until the listener or the server is closed, and returns nil
// then. Errors of Accept are passing: it logs them, at most one in five seconds, and tries
// again after a pause. It closes l in the end.
func (s *Server) Serve(l transport.Listener) error {
	if !s.enter(l) {
		l.Close()
		return &status.Error{Code: status.Closed, Message: "the server was closed", Err: net.ErrClosed}
	}
	defer s.leave(l)
	pause := acceptPause{log: s.cfg.Log}
	for stuck := false; ; {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			pause.wait(err)
			continue
		}
		pause.reset()
		if stuck = !s.slot(stuck); stuck {
			s.turnAway(conn)
			continue
		}
		if !s.begin(conn, l) {
			<-s.slots
			conn.Close()
			return nil
		}
	}
}

func (s *Server) enter(l transport.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) leave(l transport.Listener) {
	l.Close()
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	s.wg.Done()
}

// begin shakes hands on a goroutine of its own. The token is given back at its end.
func (s *Server) begin(conn transport.Conn, l transport.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.pending[conn] = struct{}{}
	s.wg.Go(func() {
		base := s.cfg.Session
		if base.Heartbeat == 0 && !transport.TellsDeath(l.Endpoint().Scheme()) {
			base.Heartbeat = DefaultHeartbeat
		}
		base.Screen = s.gate.before(base.Screen)
		option, _ := l.Endpoint().Option("one")
		_, _ = s.shake(conn, base, s.cfg.One || option == "1") // it has logged it and told the peer
		<-s.slots
	})
	return true
}

// ServeConn takes a connection that was made in another way: a pipe, a child's stdio. It
// returns when the handshake is over. A trusted one, from within this process, need prove
// nothing.
func (s *Server) ServeConn(conn transport.Conn, trusted bool) error {
	_, err := s.ServePeer(conn, trusted)
	return err
}

// shake shakes hands. With one, a second peer is refused.
func (s *Server) shake(conn transport.Conn, base session.Config, one bool) (*session.Session, error) {
	a := s.cfg.Admission(base)
	defer a.Release()
	admit := a.Config.Admit
	var place bool // one is taken
	leave := func() {
		if place {
			place = false
			s.leavePlace()
		}
	}
	a.Config.Admit = func(ctx context.Context, p session.Peer) (string, error) {
		if err := s.place(ctx, one); err != nil {
			return "", err
		}
		place = true
		id, err := s.admitAgain(ctx, p, admit)
		if err != nil {
			leave() // before the peer is told and may come again
		}
		return id, err
	}
	a.Config.Started = func(x *session.Session) {
		s.settle(x, a.Attach)
		leave()                           // it has one as a session
		x.OnEnd(func(error) { s.left() }) // after all else that is told of the end
	}
	x, err := session.Accept(context.Background(), conn, a.Config)
	leave()
	if err != nil {
		s.refused.Add(1)
		if !isThrottled(err) { // which has a line of its own, for many
			s.cfg.Log.Info("connection refused", "code", status.CodeOf(err).String(), "reason", err.Error())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, conn)
	return x, err
}

// direct admits a peer to the server's own table.
func (s *Server) direct(base session.Config) Admission {
	var id string
	base.Router = s.offers
	base.Admit = func(_ context.Context, p session.Peer) (_ string, err error) {
		id, err = s.admit(p)
		return id, err
	}
	attached := false
	return Admission{
		Config: &base,
		Attach: func(x *session.Session) error {
			attached = true
			x.OnEnd(func(error) { s.free(id) })
			return nil
		},
		Release: func() {
			if !attached {
				s.free(id)
			}
		},
	}
}

func (s *Server) free(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

// settle enters a new session, before anything it says is dealt with.
func (s *Server) settle(x *session.Session, attach func(*session.Session) error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		x.Close()
		return
	}
	s.accepted.Add(1)
	s.sessions[x] = newPeer(s, x)
	s.wg.Add(1)
	s.mu.Unlock()
	x.OnEnd(func(error) {
		s.gone(x)
		go func() { // only now: a session at rest has one goroutine, which reads
			defer s.wg.Done()
			x.Wait()
		}()
	})
	if err := attach(x); err != nil {
		x.CloseWith(status.Convert(err))
	}
}

func (s *Server) gone(x *session.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x)
	last := x.Stats()
	carry(&s.ended, &last)
}

// admit gives a direct peer its id: the wanted one, or a new one.
func (s *Server) admit(p session.Peer) (string, error) {
	id := p.ID
	if id == "" {
		id = "peer-" + itoa(s.next.Add(1))
	} else if err := subject.ValidateMember(id); err != nil {
		return "", status.Errorf(status.InvalidArgument, "%w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.ids[id]; taken {
		return "", status.Errorf(status.AlreadyExists, "the id %q is in use: choose another, or none", id)
	}
	s.ids[id] = struct{}{}
	return id, nil
}

// Close ends all sessions at once and returns when everything has ended.
func (s *Server) Close() error {
	_, err := s.Shutdown(expired)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// expired is a context that has ended.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Shutdown stops accepting, lets what is under way end until ctx does, then ends all
// sessions. It returns how many calls were cut.
func (s *Server) Shutdown(ctx context.Context) (cut int, err error) {
	sessions := s.stopAccepting()
	s.offers.EndSubscriptions()
	cut, err = drainAll(ctx, sessions)
	s.offers.Close()
	s.wg.Wait()
	return cut, err
}

// drainAll drains sessions side by side.
func drainAll(ctx context.Context, sessions []*session.Session) (int, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var cut int
	var first error
	for _, x := range sessions {
		wg.Go(func() {
			n, err := x.Drain(ctx)
			mu.Lock()
			defer mu.Unlock()
			cut += n
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return cut, first
}

// operation serves what a direct server knows of the operations.
func (s *Server) operation(op string) service.Handler {
	switch op {
	case operation.Members:
		return func(c *session.Call) { service.AnswerJSON(c, s.members(c.Session())) }
	case operation.Status:
		return func(c *session.Call) { service.AnswerJSON(c, s.Status()) }
	case operation.Stats:
		return func(c *session.Call) { service.AnswerJSON(c, s.hubStats()) }
	}
	return nil
}

// Status describes the server.
func (s *Server) Status() operation.HubStatus {
	counts := s.offers.Counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := operation.HubStatus{
		ID: s.cfg.Session.ID, Kind: "server", PID: os.Getpid(), Uptime: time.Since(s.began).Seconds(), Sessions: len(s.sessions),
		Methods: len(s.offers.Methods()), Published: counts.Published, Delivered: counts.Delivered,
		Dropped: map[string]uint64{"slow subscriber": counts.Dropped},
	}
	for l := range s.listeners {
		st.Endpoints = append(st.Endpoints, l.Endpoint().String())
	}
	return st
}

// members lists the peers that one of them may know of: all, or only itself if its rights are
// bounded and administer is not among them.
func (s *Server) members(to *session.Session) operation.MemberList {
	var list operation.MemberList
	bound := to.Peer().Identity.Bound
	all := bound == nil || auth.CoversAll(*bound, []auth.Right{{Verbs: []auth.Verb{auth.VerbAdminister}}})
	for _, p := range s.Peers() {
		if !all && p.s != to {
			continue
		}
		d := p.s.Peer()
		list.Members = append(list.Members, operation.Member{
			ID: d.ID, Identity: d.Identity.Name, Product: d.Product, Address: d.Address, Metadata: d.Metadata,
			Age: time.Since(p.s.Began()).Seconds(),
		})
	}
	return list
}
