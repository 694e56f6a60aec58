// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"math/bits"
	"time"
)

// Histogram counts durations with an error below one percent, without allocating. It is
// used by one goroutine.
type Histogram struct {
	counts [(64 - fine) << fine]uint32
}

// fine is how many bits of a duration are kept.
const fine = 6

// Record counts a duration.
func (h *Histogram) Record(d time.Duration) { h.counts[slot(uint64(max(d, 0)))]++ }

// slot: below 2^fine one for each value, then 2^fine for each doubling.
func slot(v uint64) int {
	if v < 1<<fine {
		return int(v)
	}
	shift := bits.Len64(v) - fine - 1
	return shift<<fine + int(v>>shift)
}

// middle is the middle of what a slot holds.
func middle(slot int) time.Duration {
	if slot < 2<<fine {
		return time.Duration(slot)
	}
	shift := slot>>fine - 1
	low := uint64(slot-shift<<fine) << shift
	return time.Duration(low + 1<<shift/2)
}

// Add adds the counts of another histogram.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

// Quantile returns the duration below which a share q of the counted ones is.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := uint64(0)
	for _, n := range h.counts {
		total += uint64(n)
	}
	rank := uint64(q * float64(total))
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += uint64(n); seen > rank {
			return middle(i)
		}
	}
	return 0
}
