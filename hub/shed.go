// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"runtime"
	"time"

	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
)

// shedAway is how long a member that was cut off is asked to stay away.
const shedAway = time.Second

// overfull is called, under the lock of an outlet, when more waits for all members than may.
func (h *Hub) overfull() {
	if !h.ends.Load() && h.eases.CompareAndSwap(false, true) {
		h.slow.Go(h.ease)
	}
}

// ease ends sessions, that for which most waits first, until no more waits than may. Nobody
// who takes what he gets pays for those who do not.
func (h *Hub) ease() {
	for again := true; again; {
		for h.queued.Used() > h.cfg.MaxQueued && h.shed() {
		}
		h.eases.Store(false) // what comes from now on calls overfull again
		again = h.queued.Used() > h.cfg.MaxQueued && h.heaviest() != nil && h.eases.CompareAndSwap(false, true)
	}
}

// heaviest returns the member for whom most waits, at the hub and in its session; nil if
// nothing waits for any.
func (h *Hub) heaviest() (most *Member) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	bytes := 0
	for _, m := range h.members {
		if m == nil || m.queued.Used() == 0 {
			continue
		}
		if n := m.weight(); n > bytes {
			most, bytes = m, n
		}
	}
	return most
}

// weight returns how many bytes wait for a member.
func (m *Member) weight() int { return m.queued.Used() + m.s.Stats().Queued }

// shed ends the session for which most waits; what waited is free when it returns. false if
// nothing waits for anybody.
func (h *Hub) shed() bool {
	m := h.heaviest()
	if h.leaving.Load() > 0 || m != nil && m.s.Err() != nil {
		runtime.Gosched() // somebody goes already: what waits for him is free in a moment
		return true
	}
	if m == nil {
		return false
	}
	l := operation.Limit{
		Name: quota.QueuedBytes, Scope: quota.ByHub, Of: h.cfg.ID, Usage: h.queued.Used(), Bound: h.cfg.MaxQueued, RetryAfter: shedAway.Seconds(),
	}
	err := quota.Exceeded(l, "%d bytes wait for all members and %d may: most, %d, for member %s, which is cut off", l.Usage, l.Bound, m.weight(), m.id)
	h.count.shed.Add(1)
	h.refused(m.id, m.user.name, err)
	m.s.CloseWith(err)
	return true
}
