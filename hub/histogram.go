// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/operation"
)

// sampled: so many calls of a caller's slot, and then one is timed.
const sampled = 64

// histogram counts durations by powers of two of a microsecond. The zero value is ready, and
// safe for concurrent use.
type histogram struct{ buckets [28]atomic.Uint64 }

func (h *histogram) add(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	h.buckets[min(bits.Len64(us), len(h.buckets)-1)].Add(1)
}

// snapshot returns what was counted.
func (h *histogram) snapshot() operation.Histogram {
	var out operation.Histogram
	for i := range h.buckets {
		n := h.buckets[i].Load()
		out.Buckets = append(out.Buckets, n)
		out.Samples += n
	}
	for n := len(out.Buckets); n > 0 && out.Buckets[n-1] == 0; n-- {
		out.Buckets = out.Buckets[:n-1]
	}
	out.P50, out.P99 = quantile(&out, 0.50), quantile(&out, 0.99)
	return out
}

// quantile returns the upper end of the bucket that holds it.
func quantile(h *operation.Histogram, q float64) float64 {
	seen := uint64(0)
	for i, n := range h.Buckets {
		if seen += n; n > 0 && float64(seen) >= q*float64(h.Samples) {
			return float64(uint64(1) << i)
		}
	}
	return 0
}
