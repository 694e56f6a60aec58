// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// ServePeer is ServeConn for whoever wants to talk to the very peer at the other end of
// conn: a supervisor to its child. After the session's end the Peer's calls fail.
func (s *Server) ServePeer(conn transport.Conn, trusted bool) (*Peer, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		conn.Close()
		return nil, &status.Error{Code: status.Closed, Message: "the server was closed", Err: net.ErrClosed}
	}
	s.pending[conn] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	base := s.cfg.Session
	if trusted {
		base.Heartbeat = 0
		base.Auth, base.AuthFor, base.Throttle = auth.Chain{Mechanisms: []auth.Mechanism{auth.Within()}}, nil, nil
	}
	x, err := s.shake(conn, base, s.cfg.One)
	if err != nil {
		return nil, err
	}
	return s.peerOf(x), nil
}

// peerOf returns the Peer of a session, which may have ended already.
func (s *Server) peerOf(x *session.Session) *Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.sessions[x]; p != nil {
		return p
	}
	return newPeer(s, x)
}
