// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"sync/atomic"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/wire"
)

// Parcel is a message, or several that came together, on the way to any number of outlets.
// As long as nobody has to queue it, it is the memory it came in; then one copy is kept for
// all. It belongs to one goroutine, which calls Done at the end.
type Parcel struct {
	session.Message                // if run is empty
	run             session.Run    // in the name of Source
	frame           *session.Frame // Message is this; nil if it needs none
	kept            *kept
	watch           Watch // nil mostly, as …
	from            *deadletter.Sender
	hold            *hold // … the credit of the frame
	holdable        bool
}

// kept is a message, or a run, that waits in one or more queues.
type kept struct {
	session.Message
	run  session.Run
	buf  interface{ Release() } // nil if the garbage collector has it
	refs atomic.Int32

	watch Watch // nil mostly, as …
	from  *deadletter.Sender
}

// OfFrame returns the Parcel of a frame, in the name of source.
func OfFrame(f *session.Frame, source uint64) Parcel {
	p := Parcel{Message: f.Message(), frame: f}
	p.Source = source
	return p
}

// OfRun returns the Parcel of messages that came together, in the name of source.
func OfRun(run session.Run, source uint64) Parcel {
	return Parcel{run: run, Message: session.Message{Source: source}}
}

// Of returns the Parcel of a message that nobody will change.
func Of(m session.Message) Parcel { return Parcel{Message: m} }

// keep returns the kept form of p, with a reference for one queue.
func (p *Parcel) keep() *kept {
	if p.kept == nil {
		k := &kept{Message: p.Message, watch: p.watch, from: p.from}
		switch {
		case p.run.Len() > 0:
			k.run = p.run.Keep()
			k.buf = &k.run
		case p.frame != nil:
			own, buf := p.frame.Keep()
			k.Ext, k.Payload, k.buf = own.Ext, own.Payload, buf
		}
		k.refs.Store(1) // p's own, until Done
		p.kept = k
	}
	return p.kept.retain()
}

// Done says that p is given to no more outlets.
func (p *Parcel) Done() {
	if p.kept != nil {
		p.kept.release()
	}
	if p.hold != nil {
		p.hold.release()
	}
}

func (k *kept) retain() *kept {
	k.refs.Add(1)
	return k
}

func (k *kept) release() {
	if k.refs.Add(-1) == 0 && k.buf != nil {
		k.buf.Release()
	}
}

// waiting is what is in a queue: a message, or a part of a run. It is a deadletter.Piece and
// has a reference of its own to what it is of.
type waiting struct {
	k     *kept
	run   session.Run // empty for a message
	label *session.Route
}

// entryCost is what a queued message takes besides its bytes.
const entryCost = 128

// frameCost is that for one of a run, the header of whose frame is counted anyway.
const frameCost = entryCost - wire.HeaderSize

// Len implements deadletter.Piece.
func (w waiting) Len() int { return max(w.run.Len(), 1) }

// Size implements deadletter.Piece.
func (w waiting) Size() int {
	if w.run.Len() == 0 {
		return len(w.k.Payload) + len(w.k.Ext) + entryCost
	}
	return w.run.Size() + w.run.Len()*frameCost
}

// Within implements deadletter.Piece.
func (w waiting) Within(bytes int) int {
	switch {
	case w.run.Len() > 0:
		return w.run.Within(bytes, frameCost)
	case w.Size() <= bytes:
		return 1
	}
	return 0
}

// Split implements deadletter.Piece.
func (w waiting) Split(n int) (head, tail waiting) {
	head, tail = w, w
	head.run, tail.run = w.run.Split(n)
	w.k.retain()
	return head, tail
}

// Trim implements deadletter.Piece: what is left of a run does not keep much more memory than
// it needs.
func (w waiting) Trim() waiting {
	if w.run.Len() == 0 || w.run.Size()*4 >= w.k.run.Size() {
		return w
	}
	own := &kept{Message: w.k.Message, run: w.run.Copy(), from: w.k.from}
	own.buf = &own.run
	own.refs.Store(1)
	w.k.release()
	return waiting{k: own, run: own.run, label: w.label}
}
