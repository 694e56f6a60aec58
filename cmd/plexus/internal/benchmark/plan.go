// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
)

// Times. What follows from them is in plan.slotTime.
const (
	quickLimit = 38 * time.Second // then what is left is left out
	fullLimit  = 5 * time.Minute
	quickWork  = 22 * time.Second // what the slots of a quick run may take together
	fullWork   = 180 * time.Second
	shortSlot  = 40 * time.Millisecond
	longSlot   = 250 * time.Millisecond
)

// ownCallers are the callers of a pattern unless others are asked for.
func ownCallers(pattern string, quick bool) []int {
	switch {
	case pattern == report.Stream:
		return []int{1}
	case pattern == report.Publish:
		return []int{1, 8}
	case quick:
		return []int{1, 64}
	}
	return []int{1, 8, 64}
}

// cases lists what is measured on each route.
func (s *settings) cases(quick bool) []report.Case {
	var all []report.Case
	for _, p := range s.patterns {
		callers := ownCallers(p, quick)
		if s.callers != nil && p != report.Stream {
			callers = s.callers
		}
		for _, n := range callers {
			for _, b := range s.sizes {
				all = append(all, report.Case{Pattern: p, Callers: n, Bytes: b})
			}
		}
	}
	return all
}

// slotTime is how long a slot takes when there are so many of them.
func (s *settings) slotTime(slots int, quick bool) time.Duration {
	work := fullWork
	if quick {
		work = quickWork
	}
	return min(max(work/time.Duration(max(slots, 1)), shortSlot), longSlot)
}

// share are the parts of a slot.
type share struct{ warm, run, delay time.Duration }

func shareOf(slot time.Duration, k report.Case) share {
	if k.Pattern == report.Call {
		return share{warm: slot / 4, run: slot * 3 / 4}
	}
	return share{warm: slot / 4, run: slot / 2, delay: slot / 4}
}

// operations returns how many operations, of which n took so long, fit a time.
func operations(n int, took, fit time.Duration, callers int) int {
	fitting := float64(n) * float64(fit) / float64(max(took, time.Microsecond))
	return max(int(min(fitting, maxCount)), callers, 10)
}
