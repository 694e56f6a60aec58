// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"os"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/operation"
)

// reason says why a message was dropped.
type reason int

const (
	dropQueueFull  reason = iota // the receiver's queue was full
	dropClosed                   // the receiver went while the message waited
	dropTooLarge                 // longer than the receiver takes
	dropRefused                  // the receiver does not want it
	dropNobody                   // there is no receiver any more
	dropUndeclared               // the topic went while the publication was under way
	dropMisrouted                // sent where none can be
	reasons
)

var reasonNames = [reasons]string{"queue_full", "closed", "too_large", "refused", "nobody", "undeclared", "misrouted"}

// tally counts deliveries of one sort: offered = delivered + dropped by outlets + queued.
type tally struct {
	offered   atomic.Uint64 // messages × receivers
	delivered atomic.Uint64 // handed to the receivers' sessions
	queued    atomic.Int64
	dropped   [reasons]atomic.Uint64
}

func (t *tally) drop(r reason) { t.dropped[r].Add(1) }

// counters are the hub's. Each is only ever added to, queued excepted.
type counters struct {
	calls     atomic.Uint64
	published atomic.Uint64

	publications tally // dropUndeclared and dropMisrouted count messages that were never offered
	events       tally // and dropNobody here
	notices      tally
}

// Status returns what the operation of that name answers.
func (h *Hub) Status() operation.HubStatus {
	c := &h.count
	s := operation.HubStatus{
		ID: h.cfg.ID, Kind: "hub", Version: h.cfg.Version, PID: os.Getpid(),
		Uptime: h.cfg.Now().Sub(h.began).Seconds(),
		Calls:  c.calls.Load(), Events: c.events.offered.Load(), Published: c.published.Load(),
		Matched: c.publications.offered.Load(), Delivered: c.publications.delivered.Load(),
		Queued:  uint64(max(c.publications.queued.Load(), 0)),
		Dropped: make(map[string]uint64),
	}
	if h.cfg.Endpoints != nil {
		s.Endpoints = h.cfg.Endpoints()
	}
	for prefix, t := range map[string]*tally{"": &c.publications, "event_": &c.events, "notice_": &c.notices} {
		for r := range t.dropped {
			if n := t.dropped[r].Load(); n > 0 {
				s.Dropped[prefix+reasonNames[r]] = n
			}
		}
	}
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
