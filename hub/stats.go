// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"os"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
)

// counters are the hub's. Each is only ever added to, queued excepted.
type counters struct {
	calls     atomic.Uint64
	published atomic.Uint64
	malformed atomic.Uint64

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
		Queued:    uint64(max(c.publications.Queued.Load(), 0)),
		Malformed: c.malformed.Load(), Dropped: make(map[string]uint64),
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
	s.Channels, s.Methods, s.Topics, s.Subscriptions = h.dir.Len(), len(h.offers), len(h.topics), h.feeds
	return s
}
