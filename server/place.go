// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// takePlace keeps a place for a session, or refuses one too many.
func (s *Server) takePlace(one bool) error {
	s.mu.Lock()
	n := len(s.sessions) + s.admitted
	second := one && n > 0
	free := !second && n < s.cfg.MaxSessions
	if free {
		s.admitted++
	}
	s.mu.Unlock()
	switch {
	case free:
		return nil
	case second:
		return &status.Error{Code: status.Busy, Message: "this endpoint serves one peer and has one"}
	}
	return s.full(n)
}

func (s *Server) leavePlace() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admitted--
}

// idGrace is how long a peer waits for the id of one that may have gone.
const idGrace = 250 * time.Millisecond

// admitAgain has a peer admitted. If its id is taken by one that does not answer, because it
// has just closed its session or was killed, the peer waits a while for the id: a program
// that is started again gets the id that it had.
func (s *Server) admitAgain(ctx context.Context, p session.Peer, admit func(context.Context, session.Peer) (string, error)) (string, error) {
	short, cancel := context.WithTimeout(ctx, idGrace)
	defer cancel()
	for {
		vacated := s.vacancy()
		id, err := admit(ctx, p)
		if p.ID == "" || !errors.Is(err, status.AlreadyExists) {
			return id, err
		}
		if holder := s.Peer(p.ID); holder != nil && holder.s.Ping(short) == nil {
			return "", err // it lives
		}
		select {
		case <-vacated:
		case <-short.Done():
			return "", err
		}
	}
}

// vacancy returns what is closed when the next session has left.
func (s *Server) vacancy() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vacated == nil {
		s.vacated = make(chan struct{})
	}
	return s.vacated
}

// left tells those who wait for a vacancy.
func (s *Server) left() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.vacated != nil {
		close(s.vacated)
		s.vacated = nil
	}
}
