// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"sync"
	"time"
)

// What a budget is counted over, and what it allows in any case, so that a program that calls
// seldom can try again as well.
const (
	budgetSlots   = 10
	budgetSlot    = time.Second
	budgetReserve = 10
)

// budget lets what is sent besides the first sending be a share of the calls of the last ten
// seconds: where everything fails, the load grows by that share and not by the number of attempts.
type budget struct {
	share float64 // < 0: no bound
	epoch time.Time

	mu            sync.Mutex
	slot          int64 // the present one, counted from epoch
	calls, extras [budgetSlots]uint32
}

// defaultShare is the budget of who names none.
const defaultShare = 0.1

func newBudget(share float64) *budget {
	if share == 0 {
		share = defaultShare
	}
	return &budget{share: share, epoch: time.Now()}
}

// call counts a call.
func (b *budget) call() {
	if b.share < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turnLocked()
	b.calls[b.slot%budgetSlots]++
}

// take reports whether one more may be sent, and counts it.
func (b *budget) take() bool {
	if b.share < 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turnLocked()
	var calls, extras float64
	for i := range budgetSlots {
		calls += float64(b.calls[i])
		extras += float64(b.extras[i])
	}
	if extras >= max(b.share*calls, budgetReserve) {
		return false
	}
	b.extras[b.slot%budgetSlots]++
	return true
}

// turnLocked forgets the slots that are too old.
func (b *budget) turnLocked() {
	now := int64(time.Since(b.epoch) / budgetSlot)
	for n := min(now-b.slot, budgetSlots); n > 0; n-- {
		i := (now - n + 1) % budgetSlots
		b.calls[i], b.extras[i] = 0, 0
	}
	b.slot = max(b.slot, now)
}
