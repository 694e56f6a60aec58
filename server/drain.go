// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"slices"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
)

// Drain ends the server gently: it stops accepting, refuses new calls, has what waits for
// subscribers sent and lets what is under way end, until ctx does; then it ends all sessions.
// It tells what could not be done in time; the error is ctx's. The server of a hub has
// nothing that waits: see hub.Drain, which is to come first.
func (s *Server) Drain(ctx context.Context) (operation.DrainReport, error) {
	for _, x := range s.stopAccepting() {
		x.GoAway()
	}
	left := s.offers.DrainSubscriptions(ctx)
	cut, err := s.Shutdown(ctx)
	r := operation.DrainReport{CallsCut: cut, Left: left}
	for _, l := range left {
		r.Undelivered += l.Messages
	}
	slices.SortFunc(r.Left, func(a, b operation.Undelivered) int {
		return cmp.Or(b.Messages-a.Messages, cmp.Compare(a.Member, b.Member), cmp.Compare(a.Name, b.Name))
	})
	if more := len(r.Left) - operation.MaxLeft; more > 0 {
		r.Left, r.Others = r.Left[:operation.MaxLeft:operation.MaxLeft], more
	}
	return r, err
}

// stopAccepting closes the listeners, and what has not become a session, and returns the
// sessions that there are.
func (s *Server) stopAccepting() []*session.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.pending {
		c.Close()
	}
	sessions := make([]*session.Session, 0, len(s.sessions))
	for x := range s.sessions {
		sessions = append(sessions, x)
	}
	return sessions
}
