// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"bytes"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/wire"
)

// Flow is one direction of a stream through a hub: what may be sent on, and what waits
// because the receiver does not take it yet. Its owner guards it with a lock.
type Flow struct {
	Granted uint64 // to the sender
	Limit   uint64 // by the receiver
	Ended   bool   // the sender has said so
	Queue   []session.Frame

	taken uint64 // from the sender
	sent  uint64 // to the receiver
}

// MayPass reports whether the oldest message of the queue may go on.
func (w *Flow) MayPass() bool {
	return len(w.Queue) > 0 && (w.sent < w.Limit || w.Queue[0].Flags&wire.FlagEnd != 0)
}

// Pop takes the oldest message, which goes on, out of the queue.
func (w *Flow) Pop() session.Frame {
	f := w.Queue[0]
	w.Queue[0] = session.Frame{}
	if w.Queue = w.Queue[1:]; len(w.Queue) == 0 {
		w.Queue = nil
	}
	w.sent += price(&f)
	return f
}

// Take counts a message of the sender; false if it has no credit for it. An end costs
// nothing, and after it nothing comes.
func (w *Flow) Take(f *session.Frame) bool {
	if f.Flags&wire.FlagEnd == 0 && w.taken >= w.Granted {
		return false
	}
	w.taken += price(f)
	w.Ended = w.Ended || f.Flags&wire.FlagEnd != 0
	return true
}

// price is what a message takes from a window.
func price(f *session.Frame) uint64 {
	if f.Flags&wire.FlagEnd != 0 {
		return 0
	}
	return uint64(len(f.Payload)) + wire.MessageCost
}

// Passes reports whether a message goes on at once; if not it waits in the queue.
func (w *Flow) Passes(f *session.Frame, open bool) bool {
	if open && len(w.Queue) == 0 && (w.sent < w.Limit || f.Flags&wire.FlagEnd != 0) {
		w.sent += price(f)
		return true
	}
	own := *f
	own.Ext, own.Payload = bytes.Clone(f.Ext), bytes.Clone(f.Payload)
	w.Queue = append(w.Queue, own)
	return false
}
