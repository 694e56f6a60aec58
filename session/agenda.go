// SPDX-License-Identifier: Apache-2.0

package session

import (
	"container/heap"
	"sync"
	"time"
)

// agenda is what the sessions of a Keeper have to look at from time to time: one timer for
// all of them. Chores of one period are due on the ticks of a common grid, so a thousand
// sessions with heartbeats wake the process no oftener than a few. Times are those of the
// monotonic clock, which nobody can set.
type agenda struct {
	mu    sync.Mutex
	todo  chores
	base  time.Time   // where the grids begin
	timer *time.Timer // nil: never needed so far
	at    time.Time   // when it fires; zero: it does not
	busy  bool        // run is under way, and sets the timer at its end
	batch []*chore    // of run
}

// chore is done again and again until it says that it is over, or is struck off. Except for
// look, which is set before, it belongs to the agenda.
type chore struct {
	due   time.Time
	index int  // in the heap, plus 1; 0: not there
	over  bool // struck off
	again time.Duration

	// look does it. It must not block. late is how long after its time it is done: more than a
	// little means that this very process was stopped, or starved. It returns in how long to
	// look again, 0 for not at all, until it is entered anew.
	look func(late time.Duration) time.Duration
}

// grid is how many ticks of the common grid are in one period.
const grid = 32

// enter puts a chore on the agenda, first due after a period, or a tick later.
func (a *agenda) enter(c *chore, period time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.index != 0 || c.over {
		return
	}
	now := time.Now()
	if a.base.IsZero() {
		a.base = now
	}
	tick := max(period/grid, 1)
	c.due = a.base.Add((now.Sub(a.base) + period + tick - 1).Truncate(tick))
	heap.Push(&a.todo, c)
	a.setLocked()
}

// strike takes a chore off for good; it may just be done once more.
func (a *agenda) strike(c *chore) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.over = true
	if c.index != 0 {
		heap.Remove(&a.todo, c.index-1)
		a.setLocked()
	}
}

// setLocked sets the timer to the first chore.
func (a *agenda) setLocked() {
	switch {
	case a.busy:
	case len(a.todo) == 0:
		if !a.at.IsZero() {
			a.timer.Stop()
			a.at = time.Time{}
		}
	case a.timer == nil:
		a.at = a.todo[0].due
		a.timer = time.AfterFunc(time.Until(a.at), a.run)
	case !a.at.Equal(a.todo[0].due):
		a.at = a.todo[0].due
		a.timer.Reset(time.Until(a.at))
	}
}

// run does what is due. A timer that was set again just when it fired finds nothing.
func (a *agenda) run() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy {
		return
	}
	a.busy = true
	for now := time.Now(); len(a.todo) > 0 && !a.todo[0].due.After(now); {
		a.batch = append(a.batch, heap.Pop(&a.todo).(*chore))
	}
	a.doLocked()
	for i, c := range a.batch {
		a.batch[i] = nil
		if c.again <= 0 || c.over || c.index != 0 {
			continue
		}
		if c.due = c.due.Add(c.again); time.Until(c.due) <= 0 { // this process has lost time
			c.due = time.Now().Add(c.again)
		}
		heap.Push(&a.todo, c)
	}
	a.batch, a.busy, a.at = a.batch[:0], false, time.Time{}
	a.setLocked()
}

// doLocked does the batch without mu.
func (a *agenda) doLocked() {
	a.mu.Unlock()
	defer a.mu.Lock()
	for _, c := range a.batch {
		c.again = c.look(time.Since(c.due))
	}
}

// chores is a heap by time.
type chores []*chore

func (h chores) Len() int           { return len(h) }
func (h chores) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h chores) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

// Push implements heap.Interface.
func (h *chores) Push(x any) {
	c := x.(*chore)
	*h = append(*h, c)
	c.index = len(*h)
}

// Pop implements heap.Interface.
func (h *chores) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	c.index = 0
	return c
}
