// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// verdict is what became of a message that was given to an outlet.
type verdict int

const (
	delivered verdict = iota // it is in the receiver's session
	queued                   // it waits
	dropped                  // it is counted as dropped
	overflown                // dropped, and the policy is to end the receiver
	refused                  // dropped, because the receiver does not want it
	gone                     // there is no receiver any more: not counted
)

// message is a payload on its way to any number of outlets. As long as nobody has to queue
// it, it is the frame it came in; then one copy is kept for all.
type message struct {
	session.Message
	frame *session.Frame // nil if Message needs no frame
	kept  *kept
}

// kept is a message that waits in one or more queues.
type kept struct {
	session.Message
	buf  interface{ Release() } // nil if the garbage collector has it
	refs atomic.Int32
}

// keep returns the kept form of m, with a reference for one queue.
func (m *message) keep() *kept {
	if m.kept == nil {
		m.kept = &kept{Message: m.Message}
		if m.frame != nil {
			own, buf := m.frame.Keep()
			m.kept.Ext, m.kept.Payload, m.kept.buf = own.Ext, own.Payload, buf
		}
		m.kept.refs.Store(1) // m's own, until done
	}
	m.kept.refs.Add(1)
	return m.kept
}

// done says that m is given to no more outlets.
func (m *message) done() {
	if m.kept != nil {
		m.kept.release()
	}
}

func (k *kept) release() {
	if k.refs.Add(-1) == 0 && k.buf != nil {
		k.buf.Release()
	}
}

// sender is what an outlet sends by. try does not block: false means later.
type sender interface {
	try(m session.Message, label *session.Route) (bool, error)
}

// outlet is the bounded queue of messages for one receiver. What the receiver takes at
// once never enters it. It is safe for concurrent use.
type outlet struct {
	to     sender
	tally  *deadletter.Tally
	gapped func(n uint64) []byte // the JSON of an item that tells of a gap; nil: pump returns it

	mu      sync.Mutex
	queue   deadletter.Queue[waiting]
	told    uint64 // gaps that pump has still to return
	ready   bool   // the receiver may get messages
	blocked bool   // until the receiver has credit and room again
	closed  bool
}

// waiting is what is in a queue.
type waiting struct {
	k     *kept
	label *session.Route
}

// entryCost is what a queued message takes besides its bytes.
const entryCost = 128

// push gives a message to the receiver, now or later. It never blocks.
func (o *outlet) push(m *message, label *session.Route) (verdict, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return gone, nil
	}
	o.tally.Offered.Add(1)
	if o.ready && !o.blocked && o.queue.Len() == 0 {
		ok, err := o.to.try(m.Message, label)
		switch {
		case ok:
			o.tally.Delivered.Add(1)
			return delivered, nil
		case err != nil:
			v := o.failedLocked(err)
			o.pumpLocked() // tells of the gap
			return v, err
		}
		o.blocked = true
	}
	return o.queueLocked(m, label), nil
}

// hold gives a message to the queue and leaves the sending to pump.
func (o *outlet) hold(m *message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.tally.Offered.Add(1)
		o.queueLocked(m, nil)
	}
}

// queueLocked puts a message into the queue, as far as the policy lets it.
func (o *outlet) queueLocked(m *message, label *session.Route) verdict {
	w := waiting{k: m.keep(), label: label}
	ok, over := o.queue.Push(w, len(m.Payload)+len(m.Ext)+entryCost, o.dropQueued)
	if ok {
		o.tally.Queued.Add(1)
		return queued
	}
	o.tally.Drop(deadletter.QueueFull)
	w.k.release()
	if over {
		return overflown
	}
	return dropped
}

// dropQueued counts a message that had to leave the queue for another.
func (o *outlet) dropQueued(w waiting) {
	o.tally.Queued.Add(-1)
	o.tally.Drop(deadletter.QueueFull)
	w.k.release()
}

// refusal is the error of a sender whose receiver does not want the message.
type refusal struct{ error }

// Unwrap returns the receiver's own words.
func (r refusal) Unwrap() error { return r.error }

// failedLocked deals with the message at the head that could not be sent and never will be.
func (o *outlet) failedLocked(err error) verdict {
	switch code := status.CodeOf(err); {
	case errors.As(err, new(refusal)):
		o.tally.Drop(deadletter.Refused)
		return refused
	case code == status.TooLarge || code == status.InvalidArgument:
		o.tally.Drop(deadletter.TooLarge)
		o.queue.Miss(1)
		return dropped
	}
	o.tally.Drop(deadletter.Closed)
	o.closeLocked()
	return dropped
}

// start lets messages go to the receiver, after first, which is sent before all others.
func (o *outlet) start(first session.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		_, _ = o.to.try(first, nil) // there is credit for the first; if the session has ended, others find it, too
		o.ready = true
		o.pumpLocked()
	}
}

// pump sends what the receiver takes of the queue. It is called when it may take more, and
// returns how many messages were dropped before those sent, if gapped does not tell.
func (o *outlet) pump() (gap uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pumpLocked()
	gap, o.told = o.told, 0
	return gap
}

func (o *outlet) pumpLocked() {
	o.blocked = false
	for o.ready && !o.closed {
		w, gap, more := o.queue.Peek()
		if *gap > 0 && !o.tellLocked(gap) || !more {
			return
		}
		ok, err := o.to.try(w.k.Message, w.label)
		if !ok && err == nil {
			o.blocked = true
			return
		}
		o.queue.Pop()
		o.tally.Queued.Add(-1)
		if ok {
			o.tally.Delivered.Add(1)
		} else {
			o.failedLocked(err)
		}
		w.k.release()
	}
}

// tellLocked tells the receiver of a gap; false if it has to wait.
func (o *outlet) tellLocked(gap *uint64) bool {
	if o.gapped == nil {
		o.told += *gap
		*gap = 0
		return true
	}
	ok, err := o.to.try(session.Message{Codec: codecJSON, Payload: o.gapped(*gap)}, nil)
	if ok || err != nil {
		*gap = 0
		return true
	}
	o.blocked = true
	return false
}

// idle reports whether nothing waits.
func (o *outlet) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, gap, more := o.queue.Peek()
	return !more && *gap == 0
}

// close drops what waits and takes no more. Once it has returned nothing is sent.
func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeLocked()
}

func (o *outlet) closeLocked() {
	o.closed = true
	for o.queue.Len() > 0 {
		w := o.queue.Pop()
		o.tally.Queued.Add(-1)
		o.tally.Drop(deadletter.Closed)
		w.k.release()
	}
}
