// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// full returns what a client is told when there are too many sessions, n, and logs, at most
// once in a second, who has most of them.
func (s *Server) full(n int) error {
	if top := s.crowd(); top != "" {
		s.cfg.Log.Warn("a limit was hit", "limit", "sessions", "scope", "server", "usage", n, "bound", s.cfg.MaxSessions, "top", top)
	}
	details, _ := json.Marshal(operation.Limit{Name: "sessions", Scope: "server", Usage: n, Bound: s.cfg.MaxSessions})
	return &status.Error{
		Code: status.LimitExceeded, Message: fmt.Sprintf("%d sessions are open, no more are allowed", n), Details: details,
	}
}

// crowd returns the three identities that have most sessions; "" if that was asked within the
// last second.
func (s *Server) crowd() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.told) < time.Second {
		return ""
	}
	s.told = now
	type share struct {
		of string
		n  int
	}
	count := make(map[string]int)
	for x := range s.sessions {
		count[x.Peer().Identity.Name]++
	}
	var shares []share
	for of, n := range count {
		shares = append(shares, share{of, n})
	}
	slices.SortFunc(shares, func(a, b share) int { return cmp.Or(b.n-a.n, strings.Compare(a.of, b.of)) })
	var parts []string
	for _, x := range shares[:min(3, len(shares))] {
		parts = append(parts, fmt.Sprintf("%s (%d)", x.of, x.n))
	}
	return strings.Join(parts, ", ")
}
