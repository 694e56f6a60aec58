// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"sync"
	"time"
)

// Lease is a proof that may lose its force while the session lives: a token that expires,
// a secret or a token that is withdrawn. The session ends with it.
type Lease interface {
	// Until is when it ends by itself; the zero time is never.
	Until() time.Time
	// Watch has withdrawn called once, with the reason, when the proof is withdrawn: at once
	// if it has been. It must not block. stop ends the watch and may be called at any time,
	// more than once; a call that is under way then may still come.
	Watch(withdrawn func(error)) (stop func())
}

// Leases are proofs that can be withdrawn, and who relies on them. The zero value is ready
// and safe for concurrent use. It has no goroutine, and as many entries as are watched.
type Leases struct {
	mu      sync.Mutex
	watches map[*watch]struct{}
}

// watch is somebody who relies on a lease.
type watch struct {
	lease *lease
	tell  func(error)
	once  sync.Once
}

type lease struct {
	all   *Leases
	until time.Time
	valid func() error
}

// Lease returns one that ends at until, the zero time for never, and that is withdrawn when
// valid returns an error. valid is asked when the watch begins and by Recheck, from any
// goroutine, and must not block.
func (l *Leases) Lease(until time.Time, valid func() error) Lease {
	return &lease{all: l, until: until, valid: valid}
}

// Recheck asks of all proofs that are watched whether they are still valid, and tells who
// relies on those that are not. It returns how many these were. It is called after what
// they are judged by has changed.
func (l *Leases) Recheck() (withdrawn int) {
	l.mu.Lock()
	all := make([]*watch, 0, len(l.watches))
	for w := range l.watches {
		all = append(all, w)
	}
	l.mu.Unlock()
	for _, w := range all {
		if w.check() {
			withdrawn++
		}
	}
	return withdrawn
}

// Until implements Lease.
func (l *lease) Until() time.Time { return l.until }

// Watch implements Lease. It is entered before it is judged, so that no change falls between.
func (l *lease) Watch(withdrawn func(error)) (stop func()) {
	w := &watch{lease: l, tell: withdrawn}
	l.all.add(w)
	w.check()
	return func() { l.all.remove(w) }
}

// check judges a lease and tells if it has been withdrawn.
func (w *watch) check() (withdrawn bool) {
	err := w.lease.valid()
	if err == nil {
		return false
	}
	w.lease.all.remove(w)
	w.once.Do(func() { w.tell(err) })
	return true
}

func (l *Leases) add(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watches == nil {
		l.watches = make(map[*watch]struct{})
	}
	l.watches[w] = struct{}{}
}

func (l *Leases) remove(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watches, w)
}

// jointLease ends with the first of several.
type jointLease struct{ parts []Lease }

// joinLeases returns a lease that ends with the first of two, which may be nil.
func joinLeases(a, b Lease) Lease {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &jointLease{[]Lease{a, b}}
}

// Until implements Lease.
func (j *jointLease) Until() (first time.Time) {
	for _, l := range j.parts {
		if t := l.Until(); first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// Watch implements Lease.
func (j *jointLease) Watch(withdrawn func(error)) (stop func()) {
	var once sync.Once
	tell := func(err error) { once.Do(func() { withdrawn(err) }) }
	var stops []func()
	for _, l := range j.parts {
		stops = append(stops, l.Watch(tell))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}
