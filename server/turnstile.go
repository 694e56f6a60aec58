// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/internal/meter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// turnstile lets only so many connections a second begin to prove themselves: after a hub has
// been started again all of its clients come at once, and each proof costs more than to say
// when to come back. Who is sent away is given a time of its own, so that not all return
// together:
//
//	HELLO ──pass──► within the rate: the handshake goes on
//	          └───► one too many: GOAWAY overloaded, retry after (how many were sent away) / rate
type turnstile struct {
	rate  int
	began time.Time
	door  *meter.Meter // nil for no bound
	queue *meter.Meter // who was sent away and will be back
	away  atomic.Uint64
	few   chan struct{} // a token for each that is told so although no handshake is free

	log    *slog.Logger
	mu     sync.Mutex
	logged time.Time
	held   int // turned away since
}

const (
	// longestAway bounds how long somebody is sent away for.
	longestAway = 30 * time.Second
	// stuckAway is for those who came while no handshake ended.
	stuckAway = time.Second
	// stuckAfter is how long none may end before who comes is sent away.
	stuckAfter = 250 * time.Millisecond
	// sayingSo is how many may be told at a time that no handshake is free, and within …
	sayingSo = 64
	// … which time; others are hung up on.
	sayingTime = time.Second
)

func newTurnstile(rate int, began time.Time, log *slog.Logger) *turnstile {
	return &turnstile{
		rate: rate, began: began, door: meter.New(rate, rate), queue: meter.New(rate, 1),
		few: make(chan struct{}, sayingSo), log: log,
	}
}

// before returns what a session is to be screened by: t, and then the program's own.
func (t *turnstile) before(then func() error) func() error {
	if then == nil {
		return t.pass
	}
	return func() error {
		if err := t.pass(); err != nil {
			return err
		}
		return then()
	}
}

// pass implements session.Config.Screen.
func (t *turnstile) pass() error {
	now := time.Since(t.began)
	wait := t.door.Take(1, now)
	if wait == 0 {
		return nil
	}
	wait = max(wait, t.queue.Ahead(1, now, longestAway))
	return t.sendAway(wait, operation.Limit{Name: "session_rate", Scope: "server", Usage: t.rate, Bound: t.rate}, "%d connections a second are let in", t.rate)
}

// sendAway counts and returns the error that somebody is sent away with for a time.
func (t *turnstile) sendAway(wait time.Duration, l operation.Limit, format string, args ...any) error {
	t.away.Add(1)
	t.tell(l)
	l.RetryAfter = wait.Seconds()
	details, _ := json.Marshal(l)
	return &status.Error{
		Code: status.Overloaded, Retry: status.RetrySafe, Details: details,
		Message: fmt.Sprintf(format, args...) + fmt.Sprintf(": come back in %v", wait.Round(time.Millisecond)),
	}
}

// tell logs, at most once in five seconds.
func (t *turnstile) tell(l operation.Limit) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held++
	if now := time.Now(); now.Sub(t.logged) > 5*time.Second {
		t.log.Warn("connections are sent away for a while", "limit", l.Name, "bound", l.Bound, "since_last", t.held)
		t.logged, t.held = now, 0
	}
}

// isThrottled reports whether err is of a turnstile.
func isThrottled(err error) bool {
	e, ok := errors.AsType[*status.Error](err)
	return ok && !e.Remote && e.Code == status.Overloaded && len(e.Details) > 0
}

// slot takes the token of a handshake. It waits for one a moment, unless it has waited in vain
// just before.
func (s *Server) slot(stuck bool) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
	}
	if stuck {
		return false
	}
	t := time.NewTimer(stuckAfter)
	defer t.Stop()
	select {
	case s.slots <- struct{}{}:
		return true
	case <-t.C:
		return false
	}
}

// turnAway tells a peer that no handshake is free, if there are not too many to be told.
func (s *Server) turnAway(conn transport.Conn) {
	err := s.gate.sendAway(stuckAway, operation.Limit{Name: "handshakes", Scope: "server", Usage: s.cfg.MaxHandshakes, Bound: s.cfg.MaxHandshakes},
		"%d connections are shaking hands and do not end", s.cfg.MaxHandshakes)
	s.refused.Add(1)
	select {
	case s.gate.few <- struct{}{}:
	default:
		conn.Close()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		<-s.gate.few
		conn.Close()
		return
	}
	s.pending[conn] = struct{}{}
	s.wg.Go(func() {
		cfg := session.Config{HandshakeTimeout: sayingTime, Screen: func() error { return err }}
		_, _ = session.Accept(context.Background(), conn, &cfg)
		s.mu.Lock()
		delete(s.pending, conn)
		s.mu.Unlock()
		<-s.gate.few
	})
}
