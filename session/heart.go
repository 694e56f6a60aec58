// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// quarters is how often a heart looks in one period of silence: that is how exactly it knows
// when the silence began.
const quarters = 4

// heart pings the peer in silence and ends the session if that goes on.
//
//	last sign                    ping                                     the end
//	   |········|········|········|········|········|········|········|········|
//	   |◄──────── Heartbeat ───────────────►|◄─ HeartbeatTimeout + HeartbeatGrace ─►|
//
// A dot row is the quarter between two looks; the last sign came somewhere in the first. Both
// sides may have one: the dialling side waits a quarter longer before it pings, and by then
// the other's ping has broken the silence, so only one of them sends.
//
// A look that is late by more than a quarter says that this process was stopped or starved,
// and does not know what the peer did meanwhile: it asks again and gives the whole time for
// the answer before it judges.
type heart struct {
	chore
	s       *Session
	quarter time.Duration
	first   int // looks without news at which it pings
	last    int // … at which it ends the session
	patient int // looks that an answer may take
	seen    uint64
	quiet   int // looks without news so far
}

// startHeart begins heartbeats.
func (s *Session) startHeart() *heart {
	c := s.cfg
	h := &heart{s: s, quarter: max(c.Heartbeat/quarters, time.Millisecond), first: quarters - 1}
	if s.dialled {
		h.first = quarters
	}
	h.patient = max(1, h.looks(c.HeartbeatTimeout+max(0, c.HeartbeatGrace)))
	h.last = max(h.looks(c.Heartbeat+c.HeartbeatTimeout+max(0, c.HeartbeatGrace))-1, h.first+1)
	h.look = h.beat
	c.Keeper.slow.enter(&h.chore, h.quarter)
	return h
}

// looks returns how many quarters are in a time, rounded up.
func (h *heart) looks(d time.Duration) int { return int((d + h.quarter - 1) / h.quarter) }

// beat is one look.
func (h *heart) beat(late time.Duration) time.Duration {
	s := h.s
	if s.hasEnded() {
		return 0
	}
	if now := s.received.Load() + s.mid.steps.Load(); now != h.seen {
		h.seen, h.quiet = now, 0
		return h.quarter
	}
	if late > h.quarter {
		h.quiet = h.last - h.patient
		s.beat()
		return h.quarter
	}
	h.quiet++
	switch {
	case h.quiet >= h.last:
		silence := time.Duration(h.quiet) * h.quarter
		s.expire(timeout(status.PeerGone, HeartbeatLimit, silence, "no sign of life from the peer for %v", silence),
			"the other side has heard nothing for "+silence.String())
		return 0
	case h.quiet >= h.first && (h.quiet-h.first)%quarters == 0:
		s.beat()
	}
	return h.quarter
}

// beat sends a PING whose PONG nobody waits for.
func (s *Session) beat() {
	s.beats.Add(1)
	s.control(wire.Header{Kind: wire.KindPing}, make([]byte, 8))
}
