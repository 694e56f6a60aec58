// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"sync/atomic"
)

// dirty are the sessions to flush before the reader of a session waits. A session that is
// in the list is marked with whose list that is, so that it is added once, whatever the
// length; one that several readers send to may be in a list twice, as often at most as
// frames came together, and the second flush finds nothing to do.
type dirty struct {
	any  atomic.Bool // there may be some
	mu   sync.Mutex
	list []*Session
}

// FlushAfter has what was appended to another session by Answer, Refuse or Forward
// flushed once s has read all that it can read without waiting. A forwarder calls it for
// the session that a frame has gone to, on the goroutine that reads s.
func (s *Session) FlushAfter(to *Session) {
	if to.flushedBy.Load() == s {
		return // the flush is still to come: the mark goes before
	}
	d := &s.dirty
	d.mu.Lock()
	defer d.mu.Unlock()
	to.flushedBy.Store(s)
	if n := len(d.list); n > 0 && d.list[n-1] == to {
		return
	}
	d.list = append(d.list, to)
	d.any.Store(true)
}

// flushDirty empties the list: one flush for each destination of a batch.
func (s *Session) flushDirty() {
	d := &s.dirty
	d.mu.Lock()
	list := d.list
	d.list = nil
	d.any.Store(false)
	for _, to := range list {
		to.flushedBy.CompareAndSwap(s, nil) // under mu: else one added again could lose its mark
	}
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
