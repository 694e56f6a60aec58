// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"maps"
	"time"

	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/internal/meter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// toll bounds the messages of a channel, or of a user, in a second. Routes find it with what
// they lead to, so that nothing is looked up for a message. nil bounds nothing.
type toll struct {
	meter *meter.Meter
	limit operation.Limit // Scope, Of and Bound
}

// newToll returns nil if there is no bound.
func newToll(scope, of string, rate int) *toll {
	if rate <= 0 {
		return nil
	}
	return &toll{meter: meter.New(rate, rate), limit: operation.Limit{Name: quota.Rate, Scope: scope, Of: of, Usage: rate, Bound: rate}}
}

// pay returns why m may not send one more message that t bounds.
func (t *toll) pay(m *Member) error {
	if t == nil {
		return nil
	}
	wait := t.meter.Take(1, m.hub.uptime())
	if wait == 0 {
		return nil
	}
	l := t.limit
	l.RetryAfter = wait.Seconds()
	err := quota.Exceeded(l, "%s %s takes %d messages a second: try again in %v", l.Scope, l.Of, l.Bound, wait.Round(time.Millisecond))
	err.Retry = status.RetrySafe
	m.hub.refused(m.id, m.user.name, err)
	return err
}

// uptime is the hub's clock for tolls.
func (h *Hub) uptime() time.Duration { return h.cfg.Now().Sub(h.began) }

// maxRested is how many tolls are remembered of channels and users that are there no more.
const maxRested = 1024

// tollLocked returns what bounds the messages of somebody who comes: what did when he was
// there before, so that nobody gets around it by going for a moment.
func (h *Hub) tollLocked(scope, of string, rate int) *toll {
	key := place{scope, of}
	if t := h.rested[key]; t != nil {
		delete(h.rested, key)
		return t
	}
	return newToll(scope, of, rate)
}

// restLocked keeps the toll of a channel or user that goes, as long as it makes a difference.
func (h *Hub) restLocked(t *toll) {
	now := h.uptime()
	if t == nil || t.meter.Idle(now) {
		return
	}
	if len(h.rested) >= maxRested {
		maps.DeleteFunc(h.rested, func(_ place, old *toll) bool { return old.meter.Idle(now) })
	}
	if len(h.rested) >= maxRested {
		return
	}
	h.rested[place{t.limit.Scope, t.limit.Of}] = t
}
