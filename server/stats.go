// SPDX-License-Identifier: Apache-2.0

package server

import (
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
)

// Stats are what a Server has seen since it was made. What a hub routes, the hub counts.
type Stats struct {
	Uptime     time.Duration
	Sessions   int    // open now
	Handshakes int    // under way now
	Accepted   uint64 // sessions so far
	Refused    uint64 // connections that became none
	Throttled  uint64 // of these: because too many came at once, or handshakes were stuck

	// Handlers and Waiting are requests that are served off the reading goroutines, and those
	// that wait for that.
	Handlers, Waiting int

	// Traffic is that of all sessions together, those that have ended included; Pending,
	// Inbound and Queued are of those that are open.
	Traffic session.Stats

	// Published, Delivered and Dropped are publications on this side's own topics.
	Published, Delivered, Dropped uint64

	// Once tells of the calls that may come a second time.
	Once service.OnceCounts
}

// Stats returns a snapshot of the counts.
func (s *Server) Stats() Stats {
	counts := s.offers.Counts()
	st := Stats{
		Uptime: time.Since(s.began), Accepted: s.accepted.Load(), Refused: s.refused.Load(), Throttled: s.gate.away.Load(),
		Handlers: s.cfg.Session.Gate.Running(), Waiting: s.cfg.Session.Gate.Queued(),
		Published: counts.Published, Delivered: counts.Delivered, Dropped: counts.Dropped, Once: s.offers.Once(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Sessions, st.Handshakes, st.Traffic = len(s.sessions), len(s.pending), s.ended
	for x := range s.sessions {
		now := x.Stats()
		carry(&st.Traffic, &now)
		st.Traffic.Pending += now.Pending
		st.Traffic.Inbound += now.Inbound
		st.Traffic.Queued += now.Queued
	}
	return st
}

// hubStats returns what the operation Stats answers: a hub's form, of which a server has part.
func (s *Server) hubStats() operation.HubStats {
	st := s.Stats()
	dropped := map[string]uint64{}
	if st.Dropped > 0 {
		dropped["queue_full"] = st.Dropped
	}
	t := &st.Traffic
	return operation.HubStats{
		ID: s.cfg.Session.ID, Uptime: st.Uptime.Seconds(), Sessions: st.Sessions, SessionsTotal: st.Accepted, Methods: len(s.offers.Methods()),
		Received:  operation.Traffic{Frames: t.Received, Bytes: t.RecvBytes},
		Sent:      operation.Traffic{Frames: t.Sent, Bytes: t.SentBytes},
		Calls:     operation.CallStats{Open: t.Inbound},
		Published: st.Published, OutboxBytes: t.Queued,
		Publications: operation.MessageStats{Offered: st.Delivered + st.Dropped, Delivered: st.Delivered, Dropped: dropped},
	}
}

// carry adds what a session has carried.
func carry(to, s *session.Stats) {
	to.Sent += s.Sent
	to.Received += s.Received
	to.Dropped += s.Dropped
	to.SentBytes += s.SentBytes
	to.RecvBytes += s.RecvBytes
}
