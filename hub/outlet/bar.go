// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/session"
)

// Bar drops what waits whose label names something that may does not let through, and has what
// comes later with a name in barred treated as if there were no receiver. A later Bar replaces
// it; with nil all come again. It reports whether something was dropped: then Pump tells the
// receiver of the gap. may is called under the Outlet's lock, once for each name that waits.
func (o *Outlet) Bar(barred map[string]struct{}, may func(name string) bool) (dropped bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.barred = barred
	known, size := make(map[string]bool), o.queue.Size()
	n := o.queue.Sift(func(w waiting) bool {
		if w.label == nil {
			return false
		}
		name := w.label.Bind().Name
		let, ok := known[name]
		if !ok {
			let = may(name)
			known[name] = let
		}
		return !let
	}, func(w waiting) { o.discard(w, deadletter.Barred) })
	if n == 0 {
		return false
	}
	o.leaveLocked(n, size-o.queue.Size())
	o.settleLocked()
	return true
}

// isBarredLocked reports whether messages with a label are not for the receiver any more. Who
// gives them has looked before that was said.
func (o *Outlet) isBarredLocked(label *session.Route) bool {
	if o.barred == nil || label == nil {
		return false
	}
	_, yes := o.barred[label.Bind().Name]
	return yes
}
