// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"sync"
	"time"
)

// Rarely lets one line of a log through in a second, so that a peer cannot fill it. The zero
// value is ready, and safe for concurrent use.
type Rarely struct {
	mu   sync.Mutex
	last time.Time
	held int
}

// Line reports whether a line may be written now, and how many were held back before it.
func (r *Rarely) Line(now time.Time) (held int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < time.Second {
		r.held++
		return 0, false
	}
	held, r.held, r.last = r.held, 0, now
	return held, true
}
