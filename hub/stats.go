// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"os"
	"runtime"
	"runtime/metrics"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// counters are the hub's. Each is only ever added to, queued excepted.
type counters struct {
	calls     atomic.Uint64
	published atomic.Uint64
	orphaned  atomic.Uint64
	malformed atomic.Uint64
	limits    atomic.Uint64               // refusals because of one
	shed      atomic.Uint64               // members, because too much waited
	sessions  atomic.Uint64               // that ever were
	failed    [status.Count]atomic.Uint64 // calls, by code
	latency   histogram
	replayed  atomic.Uint64
	refused   atomic.Uint64 // calls, because as many wait as may
	resent    atomic.Uint64 // calls, to another provider
	twice     atomic.Uint64 // publications that had come by another way before

	publications deadletter.Tally // Undeclared and Misrouted count messages that were never offered
	events       deadletter.Tally // and Nobody here
	notices      deadletter.Tally
	bulletins    deadletter.Tally // what the hub itself has published
}

// Status returns what the operation of that name answers.
func (h *Hub) Status() operation.HubStatus {
	c := &h.count
	s := operation.HubStatus{
		ID: h.cfg.ID, Kind: "hub", Version: h.cfg.Version, PID: os.Getpid(),
		Uptime: h.cfg.Now().Sub(h.began).Seconds(),
		Calls:  c.calls.Load(), Events: c.events.Offered.Load(), Published: c.published.Load(),
		Matched: c.publications.Offered.Load(), Delivered: c.publications.Delivered.Load(),
		Queued:   uint64(max(c.publications.Queued.Load(), 0)),
		Replayed: c.replayed.Load(), Orphaned: c.orphaned.Load(), Blocked: c.publications.Blocked.Load(), Kept: uint64(max(h.kept.Load(), 0)),
		Malformed: c.malformed.Load(), Twice: c.twice.Load(), Refused: c.refused.Load(), Resent: c.resent.Load(), Dropped: make(map[string]uint64),
	}
	if h.cfg.Endpoints != nil {
		s.Endpoints = h.cfg.Endpoints()
	}
	c.publications.Report("", s.Dropped)
	c.events.Report("event_", s.Dropped)
	c.notices.Report("notice_", s.Dropped)
	c.bulletins.Report("bulletin_", s.Dropped)
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, m := range h.members {
		if m != nil {
			s.Sessions++
		}
	}
	s.Waiting = h.waitingLocked()
	s.Channels, s.Methods, s.Topics, s.Subscriptions = h.dir.Len(), len(h.offers), len(h.topics), h.feeds
	return s
}

// fail counts a call that failed, and returns why it did.
func (c *counters) fail(err error) error {
	c.failed[min(int(status.CodeOf(err)), status.Count-1)].Add(1)
	return err
}

// carried is what sessions have carried that are over.
type carried struct {
	sent, received operation.Traffic
	unheard        uint64
}

func (t *carried) add(s *session.Stats) {
	t.sent.Frames += s.Sent
	t.sent.Bytes += s.SentBytes
	t.received.Frames += s.Received
	t.received.Bytes += s.RecvBytes
	t.unheard += s.Dropped
}

// Stats returns a snapshot of all counts. They are read one after the other while the hub goes
// on, so that sums agree only when it is at rest.
func (h *Hub) Stats() operation.HubStats {
	c := &h.count
	s := operation.HubStats{
		ID: h.cfg.ID, Uptime: h.cfg.Now().Sub(h.began).Seconds(), SessionsTotal: c.sessions.Load(),
		Published: c.published.Load(), Malformed: c.malformed.Load(), Limits: c.limits.Load(), Shed: c.shed.Load(),
		Calls:  operation.CallStats{Routed: c.calls.Load(), Failed: make(map[string]uint64), Latency: c.latency.snapshot()},
		Events: c.events.Snapshot(), Publications: c.publications.Snapshot(), Notices: c.notices.Snapshot(), Bulletins: c.bulletins.Snapshot(),
	}
	for code := range c.failed {
		if n := c.failed[code].Load(); n > 0 {
			s.Calls.Failed[status.Code(code).String()] = n
		}
	}
	s.QueuedBytes = h.queued.Used()
	s.Goroutines, s.HeapBytes = runtime.NumGoroutine(), heapBytes()
	s.DeadLetters = h.dead.stats()
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := h.gone
	for _, m := range h.members {
		if m == nil {
			continue
		}
		x := m.s.Stats()
		all.add(&x)
		s.Sessions++
		s.Calls.Open += x.Inbound
		s.OutboxBytes += x.Queued
		s.MaxOutboxBytes = max(s.MaxOutboxBytes, x.Queued)
	}
	s.Received, s.Sent, s.Unheard, s.Users = all.received, all.sent, all.unheard, len(h.users)
	s.Channels, s.Methods, s.Topics, s.Subscriptions = h.dir.Len(), len(h.offers), len(h.topics), h.feeds
	return s
}

// heapBytes returns how many bytes the objects on the process's heap have.
func heapBytes() uint64 {
	m := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(m)
	return m[0].Value.Uint64()
}
