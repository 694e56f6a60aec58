// SPDX-License-Identifier: Apache-2.0

package backoff

import (
	"context"
	"time"
)

// Wait waits for d and returns true, or until ctx ends and returns false.
func Wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
