// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets that are 1/64 of their value wide, so a
// percentile is off by 1 % at most. Its size is fixed: adding allocates nothing.
//
//	durations of 0 … 127 ns have a bucket each; from there on every power of two has 64
const (
	bucketBits = 6
	maxBits    = 40 // 18 minutes; longer ones count as that
	buckets    = (maxBits-bucketBits)<<bucketBits + 1<<bucketBits
)

type histogram struct {
	count [buckets]uint32
	total uint64
}

// bucketOf returns the bucket of a duration.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	v = min(v, 1<<maxBits-1)
	shift := max(bits.Len64(v)-bucketBits-1, 0)
	return shift<<bucketBits + int(v>>shift)
}

// middleOf returns the duration in the middle of a bucket.
func middleOf(i int) time.Duration {
	if i < 2<<bucketBits {
		return time.Duration(i)
	}
	shift := i>>bucketBits - 1
	low := uint64(i-shift<<bucketBits) << shift
	return time.Duration(low + 1<<shift/2)
}

// add counts a duration.
func (h *histogram) add(d time.Duration) {
	h.count[bucketOf(d)]++
	h.total++
}

// merge adds what another has counted.
func (h *histogram) merge(o *histogram) {
	for i, n := range o.count {
		h.count[i] += n
	}
	h.total += o.total
}

func (h *histogram) reset() { *h = histogram{} }

// quantile returns the duration that a part q of all are not longer than, 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	rank = min(rank, max(h.total, 1)-1)
	var seen uint64
	for i, n := range h.count {
		if seen += uint64(n); seen > rank {
			return middleOf(i)
		}
	}
	return 0
}
