// SPDX-License-Identifier: Apache-2.0

package outlet

import "github.com/plexus-ipc/plexus/session"

// Retained is a message that is kept for receivers who come later. It shares its memory with
// the queues that it waits in.
type Retained struct {
	k     *kept
	label *session.Bind // of the name it was published under
}

// Retain keeps a message, which is not one of several that came together, until Release.
// Nobody watches what is kept.
func (p *Parcel) Retain(from *session.Bind) Retained {
	if p.watch == nil {
		return Retained{p.keep(), from}
	}
	own := Parcel{Message: p.Message, frame: p.frame}
	own.Acknowledge = false
	k := own.keep()
	own.Done()
	return Retained{k, from}
}

// From returns the name that the message was published under.
func (r Retained) From() *session.Bind { return r.label }

// Size implements retain.Value.
func (r Retained) Size() int { return waiting{k: r.k}.Size() }

// Release implements retain.Value.
func (r Retained) Release() { r.k.release() }

// Replay gives a kept message to an Outlet that has not started. It returns false if there is
// no receiver any more.
func (o *Outlet) Replay(r Retained, label *session.Route) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.tally.Offered.Add(1)
	o.queueLocked(waiting{k: r.k.retain(), label: label})
	return true
}
