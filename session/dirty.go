// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"sync/atomic"
)

// dirty are the sessions to flush before the reader waits.
type dirty struct {
	any  atomic.Bool // there may be some
	mu   sync.Mutex
	list []*Session
}

// flush empties the list. It is small: one entry per destination of a batch.
func (d *dirty) flush() {
	d.mu.Lock()
	list := d.list
	d.list = nil
	d.any.Store(false)
	d.mu.Unlock()
	for i, to := range list {
		to.flush(false)
		list[i] = nil
	}
	d.mu.Lock()
	if d.list == nil {
		d.list = list[:0]
	}
	d.mu.Unlock()
}
