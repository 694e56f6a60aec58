// SPDX-License-Identifier: Apache-2.0

// Package meter bounds how fast something may come, in one atomic word: without a lock and
// without memory per use (the generic cell rate algorithm; ITU-T I.371, 1993).
package meter

import (
	"math"
	"sync/atomic"
	"time"
)

// Meter lets so many things a second pass, and after a rest so many at once. It is safe for
// concurrent use. nil bounds nothing.
type Meter struct {
	step  int64        // nanoseconds for one thing
	slack int64        // how far ahead of the clock next may be
	next  atomic.Int64 // when all that has passed will be paid for
}

// New returns a Meter for rate things a second and burst at once, at least one; nil if rate is
// not above 0. A step is whole nanoseconds: up to a million a second the rate is kept within
// 0.1 %, and a billion is the most.
func New(rate, burst int) *Meter {
	if rate <= 0 {
		return nil
	}
	step := max(int64(time.Second)/int64(rate), 1)
	burst = max(burst, 1)
	if int64(burst) > math.MaxInt64/4/step {
		burst = int(math.MaxInt64 / 4 / step)
	}
	return &Meter{step: step, slack: step * int64(burst)}
}

// Take lets n things pass and returns 0, or none of them and how long to wait for them. What
// is more than a burst passes once a whole burst would, and is paid for afterwards. now is the
// time since a moment that is the same for all uses; a clock that goes back lets nothing pass
// that would not have.
func (m *Meter) Take(n int, now time.Duration) (wait time.Duration) {
	if m == nil || n <= 0 {
		return 0
	}
	need := min(int64(n), (math.MaxInt64/4)/m.step) * m.step
	for {
		was := m.next.Load()
		from := max(was, int64(now))
		if over := from + min(need, m.slack) - m.slack - int64(now); over > 0 {
			return time.Duration(over)
		}
		if m.next.CompareAndSwap(was, from+need) {
			return 0
		}
	}
}

// Idle reports whether all that has passed is paid for, so that a new Meter would be the same.
func (m *Meter) Idle(now time.Duration) bool { return m == nil || m.next.Load() <= int64(now) }

// Ahead counts n things whatever the bound, and returns when the last of them is due: how far
// all that was counted is ahead of the clock. Nothing is counted that would be further ahead
// than most.
func (m *Meter) Ahead(n int, now, most time.Duration) time.Duration {
	if m == nil || n <= 0 {
		return 0
	}
	need := min(int64(n), int64(most)/m.step+1) * m.step
	for {
		was := m.next.Load()
		to := max(was, int64(now)) + need
		if to-int64(now) > int64(most) {
			return most
		}
		if m.next.CompareAndSwap(was, to) {
			return time.Duration(to - int64(now))
		}
	}
}
