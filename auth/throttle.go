// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"cmp"
	"container/list"
	"sync"
	"time"
)

// forgetAfter is how long an origin has to be quiet, beyond its delay, to start afresh.
// It is far above the longest delay, so that patience earns no more tries than haste.
const forgetAfter = time.Minute

// Throttle slows down whoever fails to authenticate, each origin (see Peer.Origin) apart
// from the others: the first failure costs First, each further one twice as much, up to Max.
// A success makes all forgotten, so does a quiet minute. The zero value is ready.
// It may be used from any goroutine, has none itself and reads no clock.
//
// A server asks Admit before it looks at a proof, waits so long, and waits for what
// Failed returns before it says no. Both matter: a guesser need not wait for a refusal
// that is slow in coming, and would otherwise just open the next connection.
type Throttle struct {
	// First is the delay after one failure; 0 means 100 ms. Max is the longest; 0 means
	// 5 s. Size is the number of origins remembered; 0 means 1024, the one that was not
	// heard of for longest makes room. Not to be changed after the first use.
	First, Max time.Duration
	Size       int

	mu     sync.Mutex
	table  map[string]*list.Element // of *offender
	recent list.List                // the same, last touched first
}

// offender is an origin that has failed.
type offender struct {
	origin string
	delay  time.Duration // after its last failure
	free   time.Time     // when the next attempt may be looked at
}

// Admit returns how long an attempt of origin must wait before it is looked at, 0 for one
// without failures. Attempts at the same time are put one behind the other; if the wait
// would be longer than Max, ok is false and the attempt is to be refused at once, as
// overloaded. Attempts that are under way when the first failure comes are not caught.
func (t *Throttle) Admit(origin string, now time.Time) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.findLocked(origin, now)
	if o == nil {
		return 0, true
	}
	wait = max(0, o.free.Sub(now))
	if wait > t.longest() {
		return 0, false
	}
	o.free = now.Add(wait + o.delay)
	return wait, true
}

// Failed records a failure of origin and returns how long to wait before telling it. A
// result of Max is worth a word to the operator.
func (t *Throttle) Failed(origin string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.findLocked(origin, now)
	if o == nil {
		o = t.addLocked(origin)
	}
	o.delay = min(max(2*o.delay, cmp.Or(t.First, 100*time.Millisecond)), t.longest())
	if free := now.Add(o.delay); free.After(o.free) {
		o.free = free
	}
	return o.delay
}

// Succeeded forgets the failures of origin.
func (t *Throttle) Succeeded(origin string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.table[origin]; e != nil {
		t.removeLocked(e)
	}
}

func (t *Throttle) longest() time.Duration { return cmp.Or(t.Max, 5*time.Second) }

// findLocked returns the entry of origin, nil if there is none or it is to be forgotten.
func (t *Throttle) findLocked(origin string, now time.Time) *offender {
	e := t.table[origin]
	if e == nil {
		return nil
	}
	o := e.Value.(*offender)
	if now.Sub(o.free) > forgetAfter {
		t.removeLocked(e)
		return nil
	}
	if latest := now.Add(2 * t.longest()); o.free.After(latest) {
		o.free = latest // the clock was set back
	}
	t.recent.MoveToFront(e)
	return o
}

func (t *Throttle) addLocked(origin string) *offender {
	if t.table == nil {
		t.table = make(map[string]*list.Element)
	}
	if len(t.table) >= max(1, cmp.Or(t.Size, 1024)) {
		t.removeLocked(t.recent.Back())
	}
	o := &offender{origin: origin}
	t.table[origin] = t.recent.PushFront(o)
	return o
}

func (t *Throttle) removeLocked(e *list.Element) {
	delete(t.table, e.Value.(*offender).origin)
	t.recent.Remove(e)
}
