// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
)

// What may wait above the bounds of a queue while publishers are held up: what they had been
// given credit for before.
const (
	overrunMessages = 64 << 10
	overrunBytes    = 4 << 20
)

// block holds up the publishers of what waits above the bounds of a queue, by keeping their
// credit:
//
//	within bounds ──too much waits──▶ over: the credit of each further message is kept
//	     ▲                              │  │   until a message has left for it
//	     │◀───────enough has left───────┘  │
//	     │                                 │ a credit was kept for patience
//	     └──half the queue has left── lapsed: all credit is given back, the fall-back
//	                                          policy applies, nobody is held up
//
// An Outlet without one has nil. It is guarded by the Outlet's lock.
type block struct {
	patience   time.Duration
	limit      int // the queue's own bounds
	bytes      int
	disconnect func() // ends the receiver if that is the fall-back policy

	lapsed bool
	holds  []held // in the order in which they were kept
	timer  *time.Timer
}

// held is a credit that is kept.
type held struct {
	hold  *hold
	since time.Time
}

// hold is the credit of one publication, which any number of outlets keep.
type hold struct {
	credit *session.Held
	refs   atomic.Int32
}

func (h *hold) release() {
	if h.refs.Add(-1) == 0 {
		h.credit.ConsumedSoon()
	}
}

// MayHold lets outlets keep the credit of the frame that p is.
func (p *Parcel) MayHold() { p.holdable = true }

// holdFor returns p's credit, with a reference of its own; nil if it cannot be kept.
func (p *Parcel) holdFor() *hold {
	if !p.holdable {
		return nil
	}
	if p.hold == nil {
		p.hold = &hold{credit: p.frame.Hold()}
		p.hold.refs.Store(1) // p's own, until Done
	}
	p.hold.refs.Add(1)
	return p.hold
}

// Blocks reports whether o holds up publishers, which do best to come one by one.
func (o *Outlet) Blocks() bool { return o.block != nil }

// rise is the queue's bounds while publishers are held up.
func (o *Outlet) riseLocked() {
	o.queue.Limit, o.queue.Bytes = o.block.limit+overrunMessages, o.block.bytes+overrunBytes
}

// overLocked reports whether more waits than the given part of the bounds.
func (o *Outlet) overLocked(part int) bool {
	return o.queue.Len() > o.block.limit/part || o.queue.Size() > o.block.bytes/part
}

// holdLocked keeps the credit of a message that has been queued, if it is one too many.
func (o *Outlet) holdLocked(p *Parcel) {
	b := o.block
	if b == nil || b.lapsed || !o.overLocked(1) {
		return
	}
	h := p.holdFor()
	if h == nil {
		return
	}
	o.tally.Blocked.Add(1)
	b.holds = append(b.holds, held{h, time.Now()})
	if b.timer == nil {
		b.timer = time.AfterFunc(b.patience, o.lapse)
	}
}

// easeLocked gives credit back because n messages have left the queue.
func (o *Outlet) easeLocked(n int) {
	b := o.block
	if b == nil {
		return
	}
	if b.lapsed && !o.overLocked(2) {
		b.lapsed = false
		o.riseLocked()
	}
	if len(b.holds) == 0 {
		return
	}
	if !o.overLocked(1) {
		n = len(b.holds)
	}
	b.giveBack(min(n, len(b.holds)))
}

// giveBack gives the oldest n credits back.
func (b *block) giveBack(n int) {
	for i := range n {
		b.holds[i].hold.release()
		b.holds[i] = held{}
	}
	if b.holds = b.holds[n:]; len(b.holds) > 0 {
		return
	}
	b.holds = nil
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

// lapse runs when a credit may have been kept for long enough.
func (o *Outlet) lapse() {
	o.mu.Lock()
	end := o.lapseLocked()
	o.mu.Unlock()
	if end {
		o.block.disconnect()
	}
}

// lapseLocked gives all credit back if a part of it was kept too long, and has the fall-back
// policy apply; true if that is to end the receiver.
func (o *Outlet) lapseLocked() (end bool) {
	b := o.block
	if o.closed || b.timer == nil || len(b.holds) == 0 {
		return false
	}
	if left := b.patience - time.Since(b.holds[0].since); left > 0 {
		b.timer.Reset(left)
		return false
	}
	b.giveBack(len(b.holds))
	b.lapsed = true
	o.queue.Limit, o.queue.Bytes = b.limit, b.bytes
	if o.queue.Policy == operation.Disconnect {
		return o.overLocked(1)
	}
	o.queue.Shrink(o.dropQueued)
	o.settleLocked()
	return false
}

// closeBlockLocked gives all credit back.
func (o *Outlet) closeBlockLocked() {
	if o.block != nil {
		o.block.giveBack(len(o.block.holds))
	}
}
