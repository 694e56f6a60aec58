// SPDX-License-Identifier: Apache-2.0

package outlet

import "github.com/plexus-ipc/plexus/hub/deadletter"

// Watch is told what becomes of one message before each receiver that it was given to. Its
// functions are called under the lock of an Outlet: they must not block, nor call one.
type Watch interface {
	// Took says that the receiver's program has taken the message.
	Took(by Sender)
	// Missed says that it never will, and why.
	Missed(by Sender, why deadletter.Reason)
	// Expect comes before these: the message is given to a receiver, of that name.
	Expect(by Sender, name string)
}

// Acknowledger is what a Sender may also be: one whose receiver tells what it has taken.
type Acknowledger interface {
	// Sent returns what was sent, and Consumed what of that has been taken, in one measure.
	Sent() uint64
	Consumed() uint64
}

// ack is a message that was sent and not yet taken.
type ack struct {
	watch Watch
	at    uint64 // Sent after it
}

// Observe has w told what becomes of a message, which is not one of several that came
// together, and asks the receivers to tell when it has been taken. It is called before the
// Parcel is given to anybody.
func (p *Parcel) Observe(w Watch) {
	p.watch = w
	p.Acknowledge = true
}

// Expect says that p is given to a receiver next.
func (p *Parcel) Expect(by Sender, name string) {
	if p.watch != nil {
		p.watch.Expect(by, name)
	}
}

// sentLocked notes that a message was sent.
func (o *Outlet) sentLocked(w Watch) {
	if w == nil {
		return
	}
	a, ok := o.to.(Acknowledger)
	if !ok {
		w.Missed(o.to, deadletter.Refused)
		return
	}
	o.acks = append(o.acks, ack{w, a.Sent()})
}

// takenLocked tells the watches of what has been taken.
func (o *Outlet) takenLocked() {
	if len(o.acks) == 0 {
		return
	}
	consumed := o.to.(Acknowledger).Consumed()
	for len(o.acks) > 0 && o.acks[0].at <= consumed {
		o.acks[0].watch.Took(o.to)
		o.acks[0] = ack{}
		o.acks = o.acks[1:]
	}
	if len(o.acks) == 0 {
		o.acks = nil
	}
}

// missedLocked tells the watch of a message that is dropped.
func (o *Outlet) missedLocked(w Watch, why deadletter.Reason) {
	if w != nil {
		w.Missed(o.to, why)
	}
}

// forsakeLocked tells the watches of what was sent that nobody will say more.
func (o *Outlet) forsakeLocked() {
	for _, a := range o.acks {
		a.watch.Missed(o.to, deadletter.Closed)
	}
	o.acks = nil
}
