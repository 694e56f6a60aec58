// SPDX-License-Identifier: Apache-2.0

// Package outlet is what a hub sends by: a bounded queue of messages before each receiver,
// with a policy for what does not fit, and an account of what became of every message. What
// the receiver takes at once never enters the queue. Messages that came together go on
// together, and wait as one.
package outlet

import (
	"errors"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Verdict is what became of a Parcel that was given to an Outlet.
type Verdict int

// The verdicts.
const (
	Delivered Verdict = iota // it, or the beginning of it, is in the receiver's session
	Queued                   // it waits, or was dropped and counted
	Overflown                // dropped, and the policy is to end the receiver
	Refused                  // dropped, because the receiver does not want it
	Gone                     // there is no receiver any more: not counted
)

// Sender is what an Outlet sends by. Neither function blocks.
type Sender interface {
	// Try sends a message; false means later.
	Try(m session.Message, label *session.Route) (bool, error)
	// TryRun sends messages in the name of source and returns how many, from the first on;
	// the error is that of the one after these.
	TryRun(run session.Run, source uint64, label *session.Route) (int, error)
}

// Config describes an Outlet.
type Config struct {
	// To is where messages go, Tally where they are counted.
	To    Sender
	Tally *deadletter.Tally
	// Limit, Bytes and Policy bound the queue, see deadletter.Queue.
	Limit, Bytes int
	Policy       string
	// Account, if not nil, bounds the bytes of several queues together; what is too much for it
	// is treated as what is too much for the queue.
	Account *Account
	// Gapped makes an item that tells the receiver of n messages that are missing; nil:
	// Pump returns how many.
	Gapped func(n uint64) session.Message
	// Dropped, if not nil, is told of messages that were dropped because the queue was full
	// or they were too long. It is called under the Outlet's lock.
	Dropped func(n int)
	// Lost, if not nil, is told of each message that is dropped, has a sender (see Parcel.From) and
	// is not watched. It is called under the Outlet's lock and must not block.
	Lost func(Loss)
	// Ready lets messages go to the receiver at once, without Start.
	Ready bool
	// Block, if not 0, is how long publishers are held up when the queue is full, before
	// Policy applies; and Overflown ends the receiver if that is the policy.
	Block     time.Duration
	Overflown func()
}

// Outlet is the bounded queue of messages for one receiver. It is safe for concurrent use.
type Outlet struct {
	to      Sender
	tally   *deadletter.Tally
	gapped  func(n uint64) session.Message
	dropped func(n int)
	lost    func(Loss)
	account *Account
	limit   int
	bytes   int    // what queue.Bytes is if account and block allow it
	block   *block // nil mostly

	mu      sync.Mutex
	queue   deadletter.Queue[waiting]
	acks    []ack               // in the order in which they were sent
	first   *session.Message    // until it is sent
	charged int                 // what the account counts of the queue
	extra   extra               // room that what is replayed has besides
	told    uint64              // gaps that Pump has still to return
	ready   bool                // the receiver may get messages
	blocked bool                // until the receiver has credit and room again
	barred  map[string]struct{} // names whose messages are not for the receiver, nil mostly
	closed  bool
	emptied func() // called once nothing waits; nil mostly
	left    int    // messages dropped at the end, until Close tells of them
}

// New returns an empty Outlet.
func New(c Config) *Outlet {
	o := &Outlet{
		to: c.To, tally: c.Tally, gapped: c.Gapped, dropped: c.Dropped, lost: c.Lost, ready: c.Ready,
		account: c.Account, limit: c.Limit, bytes: c.Bytes,
		queue: deadletter.Queue[waiting]{Limit: c.Limit, Bytes: c.Bytes, Policy: c.Policy},
	}
	if c.Block > 0 {
		o.block = &block{patience: c.Block, limit: c.Limit, bytes: c.Bytes, disconnect: c.Overflown}
		o.riseLocked()
	}
	return o
}

// Limit returns how many messages may wait.
func (o *Outlet) Limit() int { return o.limit }

// Bytes returns how many bytes of them may wait.
func (o *Outlet) Bytes() int { return o.bytes }

// Push gives a Parcel to the receiver, now or later. It never blocks.
func (o *Outlet) Push(p *Parcel, label *session.Route) (Verdict, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.isBarredLocked(label) {
		o.missedLocked(p.watch, deadletter.Closed)
		return Gone, nil
	}
	if p.run.Len() > 0 {
		return o.pushRunLocked(p, label), nil
	}
	o.tally.Offered.Add(1)
	if o.ready && !o.blocked && o.queue.Len() == 0 {
		ok, err := o.to.Try(p.Message, label)
		switch {
		case ok:
			o.tally.Delivered.Add(1)
			o.sentLocked(p.watch)
			return Delivered, nil
		case err != nil:
			v := o.failedLocked(err, p.Message, p.from, p.watch, label)
			o.pumpLocked() // tells of the gap
			return v, err
		}
		o.blocked = true
	}
	v := o.queueLocked(waiting{k: p.keep(), label: label})
	o.holdLocked(p)
	return v, nil
}

func (o *Outlet) pushRunLocked(p *Parcel, label *session.Route) Verdict {
	n := p.run.Len()
	o.tally.Offered.Add(uint64(n))
	sent, again := 0, false
	if o.ready && !o.blocked && o.queue.Len() == 0 {
		var err error
		sent, err = o.to.TryRun(p.run, p.Source, label)
		o.tally.Delivered.Add(uint64(sent))
		if sent == n {
			return Delivered
		}
		o.blocked, again = err == nil, err != nil
	}
	w := waiting{k: p.keep(), label: label}
	w.run = w.k.run
	if sent > 0 {
		_, w.run = w.run.Split(sent)
	}
	v := o.queueLocked(w)
	if again {
		o.pumpLocked() // finds the error again, and deals with it
	}
	if v == Queued && sent > 0 {
		return Delivered
	}
	return v
}

// Hold gives a Parcel to the queue and leaves the sending to Pump.
func (o *Outlet) Hold(p *Parcel) { o.HoldAs(p, nil) }

// HoldAs is Hold for a message that says where it comes from.
func (o *Outlet) HoldAs(p *Parcel, label *session.Route) Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return Gone
	}
	o.tally.Offered.Add(1)
	return o.queueLocked(waiting{k: p.keep(), label: label})
}

// Miss has the receiver told that n messages, which were never offered, are missing here.
func (o *Outlet) Miss(n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.Lose(n)
}

// queueLocked puts messages into the queue, as far as the policy lets it.
func (o *Outlet) queueLocked(w waiting) Verdict {
	o.tally.Queued.Add(int64(w.Len()))
	if !o.squeezeLocked(w.Size()) {
		o.queue.Lose(uint64(w.Len()))
		o.dropQueued(w)
		if o.queue.Policy == operation.Disconnect {
			return Overflown
		}
		return Queued
	}
	over := o.queue.Push(w, o.dropQueued)
	o.settleLocked()
	if over {
		return Overflown
	}
	return Queued
}

// dropQueued counts messages that the queue has no place for.
func (o *Outlet) dropQueued(w waiting) {
	o.discard(w, deadletter.QueueFull)
}

func (o *Outlet) discard(w waiting, why deadletter.Reason) {
	o.tally.Queued.Add(-int64(w.Len()))
	o.tally.DropMany(why, w.Len())
	if why == deadletter.QueueFull {
		o.tellDropped(w.Len())
	}
	o.missedLocked(w.k.watch, why)
	o.loseLocked(w.run, w.k.Message, w.k.from, w.k.watch, w.label, why)
	w.k.release()
}

func (o *Outlet) tellDropped(n int) {
	if o.dropped != nil {
		o.dropped(n)
	}
}

// Refusal is the error of a Sender whose receiver does not want the message.
type Refusal struct{ error }

// Refuse makes err a Refusal.
func Refuse(err error) Refusal { return Refusal{err} }

// Unwrap returns the receiver's own words.
func (r Refusal) Unwrap() error { return r.error }

// failedLocked deals with the message at the head that could not be sent and never will be.
func (o *Outlet) failedLocked(err error, m session.Message, from *deadletter.Sender, watch Watch, label *session.Route) Verdict {
	lose := func(why deadletter.Reason) { o.loseLocked(session.Run{}, m, from, watch, label, why) }
	switch code := status.CodeOf(err); {
	case errors.As(err, new(Refusal)):
		o.tally.Drop(deadletter.Refused)
		o.missedLocked(watch, deadletter.Refused)
		lose(deadletter.Refused)
		return Refused
	case code == status.TooLarge || code == status.InvalidArgument:
		o.tally.Drop(deadletter.TooLarge)
		o.tellDropped(1)
		o.missedLocked(watch, deadletter.TooLarge)
		lose(deadletter.TooLarge)
		o.queue.Miss(1)
		return Queued
	}
	o.tally.Drop(deadletter.Closed)
	o.missedLocked(watch, deadletter.Closed)
	lose(deadletter.Closed)
	o.left++
	o.closeLocked()
	return Queued
}

// Start lets messages go to the receiver, after first, which is sent before all others.
func (o *Outlet) Start(first session.Message) {
	o.mu.Lock()
	if !o.closed {
		o.first, o.ready = &first, true
		o.pumpLocked()
	}
	done := o.emptyLocked()
	o.mu.Unlock()
	call(done)
}

// beginLocked sends what comes before all others; false if it has to wait, for room: there is
// credit for it. If the session has ended, others find it, too.
func (o *Outlet) beginLocked() bool {
	if o.first == nil {
		return true
	}
	ok, err := o.to.Try(*o.first, nil)
	if o.blocked = !ok && err == nil; o.blocked {
		return false
	}
	o.first = nil
	return true
}

// Pump sends what the receiver takes of the queue. It is called when it may take more, and
// returns how many messages were dropped before those sent, if Gapped does not tell.
func (o *Outlet) Pump() (gap uint64) {
	o.mu.Lock()
	o.takenLocked()
	o.pumpLocked()
	gap, o.told = o.told, 0
	done := o.emptyLocked()
	o.mu.Unlock()
	call(done)
	return gap
}

func (o *Outlet) pumpLocked() {
	o.blocked = false
	defer o.settleLocked()
	for o.ready && !o.closed && o.beginLocked() {
		w, gap, more := o.queue.Peek()
		if *gap > 0 && !o.tellLocked(gap) || !more {
			return
		}
		n, err := o.sendLocked(w)
		if n > 0 {
			o.tally.Queued.Add(-int64(n))
			o.tally.Delivered.Add(uint64(n))
			o.sentLocked(w.k.watch)
			o.takeLocked(n).release()
		}
		if err != nil {
			failed := o.takeLocked(1)
			o.tally.Queued.Add(-1)
			o.failedLocked(err, first(w), failed.from, failed.watch, w.label)
			failed.release()
		} else if n < w.Len() {
			o.blocked = true
			return
		}
	}
}

// sendLocked sends what waits first and returns how many messages of it were taken.
func (o *Outlet) sendLocked(w waiting) (int, error) {
	if w.run.Len() > 0 {
		return o.to.TryRun(w.run, w.k.Source, w.label)
	}
	ok, err := o.to.Try(w.k.Message, w.label)
	if ok {
		return 1, nil
	}
	return 0, err
}

// tellLocked tells the receiver of a gap; false if it has to wait.
func (o *Outlet) tellLocked(gap *uint64) bool {
	if o.gapped == nil {
		o.told += *gap
		*gap = 0
		return true
	}
	ok, err := o.to.Try(o.gapped(*gap), nil)
	if ok || err != nil {
		*gap = 0
		return true
	}
	o.blocked = true
	return false
}

// Idle reports whether nothing waits.
func (o *Outlet) Idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, gap, more := o.queue.Peek()
	return !more && *gap == 0
}

// Close drops what waits and takes no more. Once it has returned nothing is sent. It returns
// how many messages were dropped because the receiver has gone, now or before, at its first call.
func (o *Outlet) Close() (left int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeLocked()
	left, o.left = o.left, 0
	return left
}

func (o *Outlet) closeLocked() {
	o.closed = true
	o.left += o.queue.Len()
	o.forsakeLocked()
	o.closeBlockLocked()
	for o.queue.Len() > 0 {
		w, _, _ := o.queue.Peek()
		o.queue.Take(w.Len())
		o.discard(w, deadletter.Closed)
	}
	o.settleLocked()
}
