// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// pace bounds the messages that a member sends.
type pace struct {
	mu     sync.Mutex
	bucket quota.Bucket
}

// newPace returns nil if there is no bound.
func newPace(rate int) *pace {
	if rate <= 0 {
		return nil
	}
	return &pace{bucket: quota.Bucket{Rate: rate}}
}

// mayPass returns why m may not send n more messages now: calls, events, broadcasts and
// publications are counted, answers and items of calls are not.
func (m *Member) mayPass(n int) error {
	if m.pace == nil {
		return m.user.toll.pay(m)
	}
	m.pace.mu.Lock()
	wait := m.pace.bucket.Take(n, m.hub.cfg.Now())
	m.pace.mu.Unlock()
	if wait == 0 {
		return m.user.toll.pay(m)
	}
	bound := m.hub.cfg.MaxRatePerMember
	err := quota.Exceeded(operation.Limit{
		Name: quota.Rate, Scope: quota.ByMember, Of: m.id, Usage: bound, Bound: bound, RetryAfter: wait.Seconds(),
	}, "member %s may send %d messages a second: try again in %v", m.id, bound, wait.Round(time.Millisecond))
	err.Retry = status.RetrySafe
	m.hub.refused(m.id, m.user.name, err)
	return err
}
