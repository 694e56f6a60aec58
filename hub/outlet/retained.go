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

// extra is room in a queue besides its bounds, for what is replayed: so that it takes no place of
// what comes meanwhile, which would be dropped, or end the receiver, before the receiver has had
// a chance to take anything. It shrinks with each message that leaves.
type extra struct{ n, bytes int }

// Replay gives a kept message to an Outlet that has not started. It returns false if there is
// no receiver any more. The queue's bounds do not count it.
func (o *Outlet) Replay(r Retained, label *session.Route) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.tally.Offered.Add(1)
	w := waiting{k: r.k.retain(), label: label}
	if o.block == nil { // else there is room above the bounds
		o.extra.n, o.extra.bytes = o.extra.n+1, o.extra.bytes+w.Size()
		o.boundLocked()
	}
	o.queueLocked(w)
	return true
}

// boundLocked gives the queue its bounds, with what is extra. Those of the bytes may be less by
// the account, see squeezeLocked.
func (o *Outlet) boundLocked() {
	o.queue.Limit, o.queue.Bytes = o.limit+o.extra.n, o.bytes+o.extra.bytes
}

// takeLocked takes the first n messages of what waits first out of the queue.
func (o *Outlet) takeLocked(n int) *kept {
	size := o.queue.Size()
	w := o.queue.Take(n)
	o.leaveLocked(n, size-o.queue.Size())
	return w.k
}

// leaveLocked notes that n messages with so many bytes have left the queue.
func (o *Outlet) leaveLocked(n, bytes int) {
	o.easeLocked(n)
	if x := &o.extra; *x != (extra{}) {
		x.n, x.bytes = max(x.n-n, 0), max(x.bytes-bytes, 0) // what is replayed leaves first
		o.boundLocked()
	}
}
