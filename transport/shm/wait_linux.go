// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/internal/spin"
)

// How a side waits, for a frame or for room. What was measured stands in
// docs/adr/0006-shared-memory.md.
//
//	pauses polls, a PAUSE between them    no system call: the hot path
//	then a sched_yield per poll           whoever shares the core runs at once
//	and a Gosched every gosched polls     or per poll, while others wait for this one
//	after Options.Spin: sleep             word odd, look again, park on the control socket
const (
	pauses  = 16
	gosched = 128
	clock   = 16 // the time is looked at every so many polls
	patient = 4  // so many times in vain, and only one wait in probe polls at all
	probe   = 16
)

// waiter is how one goroutine, the sender or the receiver, waits.
type waiter struct {
	word   *atomic.Uint32 // in the own segment; odd: about to sleep, or asleep
	n      uint32         // its value
	misses uint32         // waits without success in a row
	wake   chan struct{}
}

func newWaiter(word *atomic.Uint32) waiter {
	return waiter{word: word, wake: make(chan struct{}, 1)}
}

// signal wakes the waiter, or lets its next sleep end at once.
func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// turn makes the word odd, or even again.
func (w *waiter) turn() {
	w.n++
	w.word.Store(w.n)
}

// polls reports whether polling is worth it this time.
func (w *waiter) polls() bool {
	if w.misses < patient {
		return true
	}
	w.misses++
	return w.misses%probe == 0
}

// poll polls until *word is no longer old, or a flag of mask stands, or the time is over.
// While crowd, which may be nil, says so, others run between two polls.
func (c *Conn) poll(w *waiter, word *atomic.Uint64, old uint64, mask uint32, crowd func() bool) bool {
	if c.spin <= 0 || !w.polls() {
		return false
	}
	for range pauses {
		if word.Load() != old || c.flags.Load()&mask != 0 {
			w.misses = 0
			return true
		}
		spin.Pause()
	}
	began := time.Now()
	for i := 1; ; i++ {
		if word.Load() != old || c.flags.Load()&mask != 0 {
			w.misses = 0
			return true
		}
		if c.alone || i%gosched == 0 || crowd != nil && crowd() {
			runtime.Gosched()
		}
		spin.Yield()
		if i%clock == 0 && time.Since(began) > c.spin {
			w.misses++
			return false
		}
	}
}

// awaitFrame returns when there may be a frame, or a flag stands.
func (c *Conn) awaitFrame() {
	word := c.peer.head(c.rx.pos)
	if c.poll(&c.rxWait, word, 0, ^uint32(0), c.crowd) {
		return
	}
	c.tell()
	c.rxWait.turn()
	c.parked.Store(true)
	if word.Load() == 0 && c.flags.Load() == 0 {
		c.ctl.park(&c.rxWait)
	}
	c.parked.Store(false)
	c.rxWait.turn()
}

// awaitRoom returns when the peer has consumed something, or the Conn is at its end.
func (c *Conn) awaitRoom() {
	const mask = ^uint32(isInterrupted)
	word, old := c.peer.consumed, c.tx.seen
	if c.poll(&c.txWait, word, old, mask, nil) {
		return
	}
	c.txWait.turn()
	if word.Load() == old && c.flags.Load()&mask == 0 {
		c.ctl.park(&c.txWait)
	}
	c.txWait.turn()
}
