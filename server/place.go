// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// place keeps a place for a session. Who comes second to a server of one peer is refused,
// but waits a while if the first does not answer.
func (s *Server) place(ctx context.Context, one bool) error {
	short, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for {
		vacated := s.vacancy()
		err := s.takePlace(one)
		if !errors.Is(err, status.Busy) {
			return err
		}
		peers := s.Peers()
		if len(peers) == 0 {
			return s.takePlace(one) // the first may have gone since
		}
		if !leaves(short, peers[0], vacated) {
			return err
		}
	}
}

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

// grace is how long a peer waits for the place or the id of one that may have gone.
const grace = 250 * time.Millisecond

// leaves waits for a peer that does not answer to leave; false if it answers, or ctx ends. nil
// is one that is leaving already.
func leaves(ctx context.Context, p *Peer, vacated <-chan struct{}) bool {
	if p != nil && p.s.Ping(ctx) == nil {
		return false
	}
	select {
	case <-vacated:
		return true
	case <-ctx.Done():
		return false
	}
}

// admitAgain has a peer admitted. If its id is taken by one that does not answer, because it
// has just closed its session or was killed, the peer waits a while for the id: a program
// that is started again gets the id that it had.
func (s *Server) admitAgain(ctx context.Context, p session.Peer, admit func(context.Context, session.Peer) (string, error)) (string, error) {
	short, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for {
		vacated := s.vacancy()
		id, err := admit(ctx, p)
		if p.ID == "" || !errors.Is(err, status.AlreadyExists) {
			return id, err
		}
		if !leaves(short, s.Peer(p.ID), vacated) {
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
