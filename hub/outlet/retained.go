// SPDX-License-Identifier: Apache-2.0

package outlet

import "github.com/plexus-ipc/plexus/session"

// Retained is a message that is kept for receivers who come later, who share its memory.
type Retained struct {
	k     *kept
	label *session.Bind // of the name it was published under
}

// Retain keeps a message, which is not one of several that came together, until Release. It
// gets memory of its own, so that it takes what Size says; nobody watches it.
func (p *Parcel) Retain(from *session.Bind) Retained {
	k := &kept{Message: p.Message}
	own := append(append(make([]byte, 0, len(p.Ext)+len(p.Payload)), p.Ext...), p.Payload...)
	k.Ext, k.Payload, k.Acknowledge = own[:len(p.Ext):len(p.Ext)], own[len(p.Ext):], false
	if len(p.Ext) == 0 {
		k.Ext = nil
	}
	k.refs.Store(1)
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
