// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"time"
)

// SetHardLimit makes the end of a session whose peer reads nothing cheap to test.
func (s *Session) SetHardLimit(n int) { s.hardLimit = n }

// Partial returns how many messages have come in part, for tests that stand still.
func (s *Session) Partial() int { return len(s.in.partial) }

// DismissWoken reports whether a flusher would go that has been woken again meanwhile.
func DismissWoken(closed bool) bool {
	o := &outbox{wake: make(chan struct{}, 1), on: true, closed: closed}
	o.wake <- struct{}{}
	return o.dismiss(true)
}

// Freeze stops the Keeper's slow timer, as if this process had been stopped, and Thaw lets it go on.
func (k *Keeper) Freeze() {
	k.slow.mu.Lock()
	defer k.slow.mu.Unlock()
	k.slow.busy = true
}

// Thaw does at once what is due by now.
func (k *Keeper) Thaw() {
	k.slow.mu.Lock()
	k.slow.busy = false
	k.slow.mu.Unlock()
	k.slow.run()
}

// Due returns how many chores wait on the Keeper's agenda.
func (k *Keeper) Due() int {
	k.slow.mu.Lock()
	defer k.slow.mu.Unlock()
	return len(k.slow.todo)
}

// Errands enters n chores of one period, a while apart, and returns at how many different
// moments they were looked at within length, and how often altogether.
func Errands(n int, period, apart, length time.Duration) (moments, looks int) {
	var a agenda
	var mu sync.Mutex
	seen := make(map[time.Time]bool)
	all := make([]chore, n)
	for i := range all {
		all[i].look = func(time.Duration) time.Duration {
			mu.Lock() // the last may be looked at while they are struck off
			defer mu.Unlock()
			seen[time.Now()] = true
			looks++
			return period
		}
		a.enter(&all[i], period)
		<-time.After(apart)
	}
	<-time.After(length)
	for i := range all {
		a.strike(&all[i])
	}
	mu.Lock()
	defer mu.Unlock()
	return len(seen), looks
}

// TimeoutOf is what is made of the details of a peer's GOAWAY.
func TimeoutOf(details []byte) error { return timeoutOf(details) }
