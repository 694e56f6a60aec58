// SPDX-License-Identifier: Apache-2.0

// Package once remembers what became of calls that may come a second time. It is pure: it has
// no lock and no clock, `now` is an argument.
package once

import (
	"container/list"
	"time"
)

// Caller names one series of numbers: who sends, as somebody else vouches for it, and the key
// that the sender has chosen.
type Caller struct {
	Sender string
	Key    [16]byte
}

// Limits bound a Window. Each must be more than 0.
type Limits struct {
	Calls, SenderCalls int // remembered in all, and of one sender
	Bytes, SenderBytes int // of their answers, with overhead each
	Age                time.Duration
}

// overhead is what an entry is counted with besides its answer.
const overhead = 256

// Ask is a call that has come.
type Ask struct {
	Caller   Caller
	Sequence uint64
	Floor    uint64        // below it the caller sends nothing again
	Again    bool          // it was sent before
	Age      time.Duration // how long ago for the first time
}

// Verdict says what is to be done with a call.
type Verdict uint8

// The verdicts.
const (
	Fresh   Verdict = iota // execute it, then Finish or Forget the Entry
	Running                // it is being executed: wait for the Entry
	Done                   // answer with the Entry's Answer
	Unknown                // it may have been executed, and what became of it was forgotten
	Full                   // as many are being executed as can be remembered
)

// Entry is one call that is remembered. Its Answer is the user's.
type Entry[A any] struct {
	Answer A

	lane    *lane[A]
	seq     uint64
	size    int
	ended   time.Time
	inAll   *list.Element // among those done; nil while it is being executed
	inOwn   *list.Element
	dropped bool
}

// lane is one series.
type lane[A any] struct {
	id      Caller
	of      *sender[A]
	entries map[uint64]*Entry[A]
	floor   uint64
}

// sender is what one sender has here.
type sender[A any] struct {
	name    string
	calls   int
	bytes   int
	done    list.List // of *Entry[A], in the order in which they ended
	evicted time.Time // when something of his was forgotten that was not old; zero: never
}

// Counts are what a Window has seen.
type Counts struct {
	Kept, KeptBytes int    // now
	Answered        uint64 // second copies answered from memory …
	Joined          uint64 // … or that waited for the first
	Expired         uint64 // answers forgotten because of their age
	Evicted         uint64 // … or because there was no room
	Unknown         uint64 // second copies that were refused, see Unknown
}

// Window remembers calls. It is not safe for concurrent use.
type Window[A any] struct {
	limits  Limits
	lanes   map[Caller]*lane[A]
	senders map[string]*sender[A]
	done    list.List // of *Entry[A], in the order in which they ended
	evicted time.Time // when a sender was forgotten of whom something was evicted; zero: never
	count   Counts
}

// New returns an empty Window.
func New[A any](l Limits) *Window[A] {
	return &Window[A]{limits: l, lanes: make(map[Caller]*lane[A]), senders: make(map[string]*sender[A])}
}

// Counts returns what the Window has seen.
func (w *Window[A]) Counts() Counts { return w.count }

// Begin judges a call. With Fresh, Running and Done it returns the call's Entry.
func (w *Window[A]) Begin(a Ask, now time.Time) (*Entry[A], Verdict) {
	w.Expire(now)
	l := w.lanes[a.Caller]
	if l != nil {
		if e := l.entries[a.Sequence]; e != nil {
			w.raise(l, a.Floor)
			if e.inAll == nil {
				w.count.Joined++
				return e, Running
			}
			w.count.Answered++
			return e, Done
		}
	}
	if a.Again && w.forgot(&a, l, now) {
		w.count.Unknown++
		return nil, Unknown
	}
	if l != nil {
		w.raise(l, a.Floor)
	}
	if !w.room(w.senders[a.Caller.Sender], now) {
		return nil, Full
	}
	s := w.senders[a.Caller.Sender]
	if s == nil {
		s = &sender[A]{name: a.Caller.Sender}
		w.senders[s.name] = s
	}
	if l = w.lanes[a.Caller]; l == nil { // looked up again: making room may have ended it
		l = &lane[A]{id: a.Caller, of: s, entries: make(map[uint64]*Entry[A])}
		w.lanes[a.Caller] = l
	}
	e := &Entry[A]{lane: l, seq: a.Sequence}
	l.entries[a.Sequence] = e
	w.resize(e, overhead)
	s.calls++
	w.count.Kept++
	w.raise(l, a.Floor)
	return e, Fresh
}

// forgot reports whether a second copy that is not here may have been here.
func (w *Window[A]) forgot(a *Ask, l *lane[A], now time.Time) bool {
	if a.Age >= w.limits.Age || l != nil && a.Sequence < l.floor {
		return true
	}
	first := now.Add(-a.Age)
	if s := w.senders[a.Caller.Sender]; s != nil && !s.evicted.IsZero() && !first.After(s.evicted) {
		return true
	}
	return !w.evicted.IsZero() && !first.After(w.evicted)
}

// raise notes that the caller has the answers to all calls below floor.
func (w *Window[A]) raise(l *lane[A], floor uint64) {
	if floor <= l.floor {
		return
	}
	if floor-l.floor > uint64(len(l.entries)) {
		for seq, e := range l.entries {
			if seq < floor && e.inAll != nil {
				w.drop(e)
			}
		}
	} else {
		for seq := l.floor; seq < floor; seq++ {
			if e := l.entries[seq]; e != nil && e.inAll != nil {
				w.drop(e)
			}
		}
	}
	l.floor = floor
}

// room makes room for one more call; s is its sender, nil if there is nothing of his.
func (w *Window[A]) room(s *sender[A], now time.Time) bool {
	for s != nil && (s.calls >= w.limits.SenderCalls || s.bytes+overhead > w.limits.SenderBytes) {
		if !w.evict(s.done.Front(), now) {
			return false
		}
	}
	for w.count.Kept >= w.limits.Calls || w.count.KeptBytes+overhead > w.limits.Bytes {
		if !w.evict(w.done.Front(), now) {
			return false
		}
	}
	return true
}

// evict forgets an answer that may still be asked for; false if there is none.
func (w *Window[A]) evict(at *list.Element, now time.Time) bool {
	if at == nil {
		return false
	}
	e := at.Value.(*Entry[A])
	e.lane.of.evicted = now
	w.count.Evicted++
	w.drop(e)
	return true
}

// Finish says that a call has been executed and its Answer, of so many bytes, is set. It is
// remembered if there is room.
func (w *Window[A]) Finish(e *Entry[A], size int, now time.Time) {
	if e.dropped || e.inAll != nil {
		return
	}
	s := e.lane.of
	e.ended = now
	e.inAll, e.inOwn = w.done.PushBack(e), s.done.PushBack(e)
	w.resize(e, size)
	switch {
	case e.seq < e.lane.floor:
		w.drop(e) // nobody will ask
	case e.size > min(w.limits.SenderBytes, w.limits.Bytes):
		w.evict(e.inAll, now) // and not all others before it
	}
	for !e.dropped && s.bytes > w.limits.SenderBytes {
		w.evict(s.done.Front(), now)
	}
	for !e.dropped && w.count.KeptBytes > w.limits.Bytes {
		w.evict(w.done.Front(), now)
	}
}

// Forget takes a call out that has no answer to be remembered.
func (w *Window[A]) Forget(e *Entry[A]) {
	if !e.dropped {
		w.drop(e)
	}
}

// Expire forgets what is old, and returns when to come again; the zero Time for never.
func (w *Window[A]) Expire(now time.Time) (next time.Time) {
	for at := w.done.Front(); at != nil; at = w.done.Front() {
		e := at.Value.(*Entry[A])
		if end := e.ended.Add(w.limits.Age); now.Before(end) {
			next = end
			break
		}
		w.count.Expired++
		w.drop(e)
	}
	return next
}

// resize counts the bytes of an entry.
func (w *Window[A]) resize(e *Entry[A], n int) {
	e.size += n
	e.lane.of.bytes += n
	w.count.KeptBytes += n
}

// drop takes an entry out, and with the last its lane and its sender.
func (w *Window[A]) drop(e *Entry[A]) {
	l := e.lane
	s := l.of
	e.dropped = true
	if e.inAll != nil {
		w.done.Remove(e.inAll)
		s.done.Remove(e.inOwn)
	}
	delete(l.entries, e.seq)
	w.resize(e, -e.size)
	s.calls--
	w.count.Kept--
	if len(l.entries) == 0 {
		delete(w.lanes, l.id)
	}
	if s.calls == 0 {
		delete(w.senders, s.name)
		if s.evicted.After(w.evicted) {
			w.evicted = s.evicted
		}
	}
}
