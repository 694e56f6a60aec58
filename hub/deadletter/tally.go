// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"sync/atomic"

	"github.com/plexus-ipc/plexus/operation"
)

// Reason says why a message was dropped.
type Reason int

// The reasons.
const (
	QueueFull  Reason = iota // the receiver's queue was full
	Closed                   // the receiver went while the message waited
	TooLarge                 // longer than the receiver takes
	Refused                  // the receiver does not want it
	Nobody                   // there is no receiver any more
	Undeclared               // the topic went while the publication was under way
	Misrouted                // sent where none can be
	Malformed                // does not fit the schema of its topic
	Locked                   // the sender has not given the password of the channel
	TooFast                  // the sender had sent as many in this second as it may
	Denied                   // the sender may not send it
	Barred                   // the receiver may not have it any more, since it was queued
	reasons
)

var names = [reasons]string{"queue_full", "closed", "too_large", "refused", "nobody", "undeclared", "misrouted", "malformed", "locked", "too_fast", "denied", "barred"}

// String returns the name under which the reason is reported.
func (r Reason) String() string { return names[r] }

// Tally counts what becomes of messages of one sort. Messages that were offered to a
// receiver are Offered = Delivered + dropped + Queued; Nobody, Undeclared, Misrouted,
// Malformed, Locked, TooFast and Denied count others. The zero value is ready, and safe for concurrent use.
type Tally struct {
	Offered   atomic.Uint64 // messages × receivers
	Delivered atomic.Uint64 // handed to the receivers' sessions
	Queued    atomic.Int64
	Blocked   atomic.Uint64 // those that held up their publishers, besides
	dropped   [reasons]atomic.Uint64
}

// Drop counts a message that was dropped.
func (t *Tally) Drop(r Reason) { t.dropped[r].Add(1) }

// DropMany counts n messages that were dropped.
func (t *Tally) DropMany(r Reason, n int) { t.dropped[r].Add(uint64(n)) }

// Report adds the drops by reason, each with prefix before its name, to a map.
func (t *Tally) Report(prefix string, to map[string]uint64) {
	for r := range t.dropped {
		if n := t.dropped[r].Load(); n > 0 {
			to[prefix+names[r]] = n
		}
	}
}

// Snapshot returns the counts.
func (t *Tally) Snapshot() operation.MessageStats {
	s := operation.MessageStats{
		Offered: t.Offered.Load(), Delivered: t.Delivered.Load(), Queued: uint64(max(t.Queued.Load(), 0)), Dropped: make(map[string]uint64),
	}
	t.Report("", s.Dropped)
	return s
}
