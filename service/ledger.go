// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Ledger holds what has been done on a session and has to be done again on the one that
// follows it, in the order in which it was done: memberships, methods, topics,
// subscriptions. It is safe for concurrent use.
type Ledger struct {
	// Lost is told what the other side has refused when it was done again, and why; nil for
	// nobody. It must not block.
	Lost func(what string, err error)
	// Patience is how long an idempotent call that was lost waits for its provider to come
	// back, 0 for as long as its context lets it.
	Patience time.Duration

	mu      sync.Mutex
	entries []*Entry
	series  map[session.Bind]*series // of calls that may be sent again
}

// Entry is one of them.
type Entry struct {
	what    string                                              // for people: "method sums/add"
	channel string                                              // of what a member of a channel has there
	enters  bool                                                // it joins the channel, or makes it
	do      func(ctx context.Context, s *session.Session) error // does it once more
	lost    func(error)                                         // it was refused; nil if nobody is to be told

	on   atomic.Pointer[session.Session] // where it was done last
	gone bool                            // under Ledger.mu

	busy    sync.Mutex // held while it is done
	refused error      // under busy
}

// add enters what has been done on e.on.
func (l *Ledger) add(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// forget takes out what shall not be done again.
func (l *Ledger) forget(match func(e *Entry) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = slices.DeleteFunc(l.entries, func(e *Entry) bool {
		e.gone = e.gone || match(e)
		return e.gone
	})
}

// Restore does everything once more that was not done on s. It fails if s has failed, or at
// the end of ctx. What the other side refuses is forgotten, and told.
func (l *Ledger) Restore(ctx context.Context, s *session.Session) error {
	for {
		todo := l.pending(s)
		if len(todo) == 0 {
			return nil
		}
		for _, e := range todo {
			if err := l.renew(ctx, e, s); err != nil {
				return err
			}
		}
	}
}

// pending returns what was not done on s, in order.
func (l *Ledger) pending(s *session.Session) []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var todo []*Entry
	for _, e := range l.entries {
		if e.on.Load() != s {
			todo = append(todo, e)
		}
	}
	return todo
}

// renew does one thing on s unless that has happened. An error says that s is of no use.
func (l *Ledger) renew(ctx context.Context, e *Entry, s *session.Session) error {
	e.busy.Lock()
	defer e.busy.Unlock()
	if e.on.Load() == s || l.isGone(e) {
		return nil
	}
	err := e.do(ctx, s)
	switch {
	case err == nil:
		e.on.Store(s)
		return nil
	case s.Err() != nil:
		return s.Err()
	case ctx.Err() != nil:
		return status.Convert(ctx.Err())
	}
	e.refused = err
	l.forget(func(o *Entry) bool { return o == e })
	if e.lost != nil {
		e.lost(err)
	}
	if l.Lost != nil {
		l.Lost(e.what, err)
	}
	return nil
}

func (l *Ledger) isGone(e *Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.gone
}

// keeper is a Source whose sessions follow each other.
type keeper interface {
	Source
	// Ledger returns what is to be done on each, nil if no session follows.
	Ledger() *Ledger
	// After waits until another session than one that has ended, or is about to, stands and
	// the Ledger has been restored to it.
	After(ctx context.Context, ended *session.Session) error
}

// ledgerOf returns the Ledger of a Source, nil if it has none.
func ledgerOf(s Source) *Ledger {
	if k, ok := plain(s).(keeper); ok {
		return k.Ledger()
	}
	return nil
}

// begin does something on the session of a source, and enters it to be done on those that
// follow.
func begin(ctx context.Context, source Source, e *Entry) error {
	s, err := plain(source).Session(ctx)
	if err != nil {
		return err
	}
	if k, ok := source.(*keyed); ok {
		do := e.do
		e.do = func(ctx context.Context, s *session.Session) error {
			if err := k.opened(ctx, s, e.enters); err != nil {
				return err
			}
			return do(ctx, s)
		}
	}
	if err := e.do(ctx, s); err != nil {
		return err
	}
	e.on.Store(s)
	l := ledgerOf(source)
	if l == nil {
		return nil
	}
	l.add(e)
	if err := l.keepUp(ctx, source, e, s); err != nil {
		l.forget(func(o *Entry) bool { return o == e })
		return err
	}
	return nil
}

// keepUp returns when e is in effect on the session that the source has by now: s may have
// been followed by another before e was entered.
func (l *Ledger) keepUp(ctx context.Context, source Source, e *Entry, s *session.Session) error {
	for {
		now, err := plain(source).Session(ctx)
		if err != nil {
			return err
		}
		if now == s {
			return nil
		}
		if l.renew(ctx, e, now) == nil {
			e.busy.Lock()
			defer e.busy.Unlock()
			return e.refused
		}
		s = nil // that one has failed, too
	}
}

// end takes e out and returns the session on which it is in effect, nil if there is none.
func end(source Source, e *Entry) *session.Session {
	l := ledgerOf(source)
	if l == nil {
		return e.on.Load()
	}
	l.forget(func(o *Entry) bool { return o == e })
	e.busy.Lock() // it may be being done
	defer e.busy.Unlock()
	if s := e.on.Load(); s.Err() == nil {
		return s
	}
	return nil
}
