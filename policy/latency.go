// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"math/bits"
	"sync"
	"time"
)

// A latency counts durations in classes that are an eighth of a power of two wide, so that a quantile is known to
// an eighth of itself.
const (
	subBits    = 3
	classes    = (40 - subBits + 1) << subBits // of microseconds up to 2⁴⁰, which is twelve days
	needed     = 32                            // durations before a quantile is told
	refresh    = 32                            // … and after which it is looked at again
	remembered = 1024                          // … after which all count half
)

// latency learns a quantile of the durations seen lately.
type latency struct {
	quantile float64

	mu    sync.Mutex
	count [classes]uint32
	total uint32
	fresh int
	value time.Duration // 0: not known yet
}

// see counts a duration.
func (l *latency) see(d time.Duration) {
	c := class(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count[c]++
	l.total++
	l.fresh++
	if l.fresh < refresh || l.total < needed {
		return
	}
	l.fresh = 0
	l.value = l.findLocked()
	if l.total >= remembered {
		l.total = 0
		for i := range l.count {
			l.count[i] /= 2
			l.total += l.count[i]
		}
	}
}

// get returns the quantile, 0 if it is not known yet.
func (l *latency) get() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value
}

// findLocked returns the upper end of the class that the quantile is in.
func (l *latency) findLocked() time.Duration {
	rank, sum := l.quantile*float64(l.total), uint32(0)
	for i, n := range l.count {
		if sum += n; float64(sum) >= rank {
			return upper(i)
		}
	}
	return upper(classes - 1)
}

// class returns the class of a duration: exact below eight microseconds, then by the position
// of the highest bit and the three that follow it.
func class(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 1<<subBits {
		return int(us)
	}
	shift := bits.Len64(us) - subBits - 1
	return min(shift<<subBits+int(us>>shift), classes-1)
}

// upper returns the end of a class.
func upper(c int) time.Duration {
	if c < 1<<subBits {
		return time.Duration(c+1) * time.Microsecond
	}
	shift := c>>subBits - 1
	return time.Duration(uint64(c&(1<<subBits-1)|1<<subBits)+1) << shift * time.Microsecond
}
