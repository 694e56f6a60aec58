// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"fmt"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// full returns what a client is told when there are too many sessions; mu is held.
func (s *Server) full(n int) error {
	details, _ := json.Marshal(operation.Limit{Name: "sessions", Scope: "server", Usage: n, Bound: s.cfg.MaxSessions})
	return &status.Error{
		Code: status.LimitExceeded, Message: fmt.Sprintf("%d sessions are open, no more are allowed", n), Details: details,
	}
}
