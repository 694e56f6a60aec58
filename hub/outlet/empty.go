// SPDX-License-Identifier: Apache-2.0

package outlet

// WhenEmpty has done called once, when nothing waits: before it returns, or after the Pump that
// sends the last; not if the Outlet is closed before, of which it returns false. What is pushed
// meanwhile waits, too.
func (o *Outlet) WhenEmpty(done func()) bool {
	o.mu.Lock()
	open := !o.closed
	if open {
		o.emptied = done
	}
	done = o.emptyLocked()
	o.mu.Unlock()
	call(done)
	return open
}

// emptyLocked returns what is to be called, without the lock, because nothing waits; or nil.
func (o *Outlet) emptyLocked() func() {
	if o.emptied == nil || o.closed || o.queue.Len() > 0 {
		return nil
	}
	done := o.emptied
	o.emptied = nil
	return done
}

func call(f func()) {
	if f != nil {
		f()
	}
}
