// SPDX-License-Identifier: Apache-2.0

package quota

import "time"

// Bucket bounds how fast something may come: Rate a second, and after a rest as much as a
// second's worth at once (a token bucket; Turner, "New directions in communications", 1986).
// The zero value bounds nothing.
type Bucket struct {
	Rate int

	level float64 // may come at once, at …
	at    time.Time
}

// Take takes n off, or returns how long to wait for them.
func (b *Bucket) Take(n int, now time.Time) (wait time.Duration) {
	if b.Rate <= 0 {
		return 0
	}
	most := float64(b.Rate)
	if passed := now.Sub(b.at); b.at.IsZero() {
		b.level = most
	} else if passed > 0 {
		b.level = min(most, b.level+passed.Seconds()*most)
	}
	b.at = now
	if need := min(float64(n), most); b.level < need {
		return max(time.Duration((need-b.level)/most*float64(time.Second)), 1)
	}
	b.level -= float64(n) // below 0 for what is more than a second's worth
	return 0
}
