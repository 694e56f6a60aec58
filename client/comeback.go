// SPDX-License-Identifier: Apache-2.0

package client

import (
	"math/rand/v2"
	"time"

	"github.com/plexus-ipc/plexus/service"
)

const (
	// longestAway is as long as a server can send a Client away for.
	longestAway = 5 * time.Minute
	// leastSpread is the least that those who are sent away for the same time are spread over.
	leastSpread = 100 * time.Millisecond
)

// comeback returns how long to stay away because of what the last attempt was told: the time
// that was said and a random part of up to a quarter of it, so that those who were told the
// same do not come back together. 0 if nothing was said.
func comeback(err error) time.Duration {
	if err == nil {
		return 0
	}
	d := min(service.RetryAfter(err), longestAway)
	if d <= 0 {
		return 0
	}
	return d + rand.N(max(d/4, leastSpread)) //nolint:gosec // spreads load, hides nothing
}
