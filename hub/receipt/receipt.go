// SPDX-License-Identifier: Apache-2.0

// Package receipt answers the hub's question: who got it? A Receipt gathers what becomes of
// one publication before each of its receivers, and is done when that is known of all, or
// nobody waits any more.
//
// It is pure: no goroutine and no clock; a lock, because receivers answer when they like.
package receipt

import (
	"sync"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/operation"
)

// Receipt is an outlet.Watch. Make one with New. It is safe for concurrent use.
type Receipt struct {
	done func(operation.Receipt)

	mu      sync.Mutex
	entries []entry
	index   map[outlet.Sender]int
	open    int // entries of which nothing is known yet, and one until Seal
	over    bool
	letters int // dead ones, on the disk
}

// entry is one receiver.
type entry struct {
	member string
	known  bool
	reason string // why it missed the publication, "" if it did not
	letter bool   // which is kept for it, as a dead letter
}

// New returns a Receipt that calls done once, on whatever goroutine and under whatever lock the
// last answer comes: done must not block.
func New(done func(operation.Receipt)) *Receipt {
	return &Receipt{done: done, open: 1, index: make(map[outlet.Sender]int)}
}

// Expect adds a receiver, the subscription of a member, before it is given the publication.
func (r *Receipt) Expect(by outlet.Sender, member string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.index[by]; ok || r.over {
		return
	}
	r.index[by] = len(r.entries)
	r.entries = append(r.entries, entry{member: member})
	r.open++
}

// Seal says that all receivers were added.
func (r *Receipt) Seal() {
	r.mu.Lock()
	r.open--
	r.finish(r.open == 0, "")
}

// Took implements outlet.Watch.
func (r *Receipt) Took(by outlet.Sender) { r.know(by, "", false) }

// Missed implements outlet.Watch.
func (r *Receipt) Missed(by outlet.Sender, why deadletter.Reason) { r.know(by, why.String(), false) }

// Kept is Missed for a publication that is on the disk, as a dead letter for the receiver.
func (r *Receipt) Kept(by outlet.Sender, why deadletter.Reason) { r.know(by, why.String(), true) }

// Orphaned reports whether all receivers were added and there is none. If so, nothing is told
// until Settled has been called: the publication is to be kept, as a dead letter.
func (r *Receipt) Orphaned() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || len(r.entries) > 0 {
		return false
	}
	r.open++
	return true
}

// Settled says whether a publication that is Orphaned is on the disk.
func (r *Receipt) Settled(kept bool) {
	r.mu.Lock()
	if kept && !r.over {
		r.letters++
	}
	r.open--
	r.finish(r.open == 0, "")
}

func (r *Receipt) know(by outlet.Sender, reason string, letter bool) {
	r.mu.Lock()
	i, ok := r.index[by]
	if !ok || r.over || r.entries[i].known {
		r.mu.Unlock()
		return
	}
	r.entries[i].known, r.entries[i].reason, r.entries[i].letter = true, reason, letter
	if letter {
		r.letters++
	}
	r.open--
	r.finish(r.open == 0, "")
}

// End says that nobody waits any more: those who have not answered are said to have missed
// the publication for that reason.
func (r *Receipt) End(reason string) {
	r.mu.Lock()
	r.finish(true, reason)
}

// Drop ends the Receipt without a word; false if it has ended.
func (r *Receipt) Drop() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.over, r.entries, r.index = true, nil, nil
	return true
}

// finish unlocks r and, if it is time to and for the first time, tells the result.
func (r *Receipt) finish(now bool, reason string) {
	if !now || r.over {
		r.mu.Unlock()
		return
	}
	r.over = true
	out := operation.Receipt{Matched: len(r.entries), DeadLettered: r.letters}
	for _, e := range r.entries {
		if !e.known {
			e.reason = reason
		}
		if e.reason == "" {
			out.Delivered++
			if len(out.Receivers) < operation.MaxReceivers {
				out.Receivers = append(out.Receivers, e.member)
			}
			continue
		}
		if len(out.Missed) < operation.MaxReceivers {
			out.Missed = append(out.Missed, operation.Miss{Member: e.member, Reason: e.reason, DeadLettered: e.letter})
		}
	}
	r.entries, r.index = nil, nil
	r.mu.Unlock()
	r.done(out)
}
