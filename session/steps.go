// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"time"
)

// mayServe asks whether the other side may be the server, before it is told anything.
func (h *handshake) mayServe() error {
	if h.cfg.MayServe == nil {
		return nil
	}
	return h.cfg.MayServe(h.peer())
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	}
}
