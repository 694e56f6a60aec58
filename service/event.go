// SPDX-License-Identifier: Apache-2.0

package service

import (
	"runtime/debug"
	"slices"
	"sync"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Event is a one-way message as a listener gets it. All bytes are the listener's.
type Event struct {
	Channel, Name string
	Broadcast     bool   // to all of a channel, else to this side alone
	Sender        string // member id
	Codec         uint8
	Payload       []byte
	In            session.Incoming

	table *Table
}

// Fail tells the OnError of this side that the event could not be dealt with, and counts it
// as dropped. The sender, who waits for nothing, is not told.
func (e *Event) Fail(err error) {
	if e.table != nil {
		e.table.dropped.Add(1)
		e.table.fail(err)
	}
}

// fail tells of what nobody waits for.
func (t *Table) fail(err error) {
	if t.OnError != nil {
		t.OnError(err)
	}
}

// Listener gets events, one at a time and in order, on a goroutine of its own. What it
// has not dealt with keeps its credit, so that a fast sender waits.
type Listener struct {
	table *Table
	match func(channel, name string) bool
	f     func(Event)

	closing func() // instead of all else: of a Service's listener

	mu     sync.Mutex
	queue  []pendingEvent
	runs   bool
	closed bool
}

type pendingEvent struct {
	event Event
	held  *session.Held
}

// Listen has f called for every event that match accepts; nil accepts all.
func (t *Table) Listen(match func(channel, name string) bool, f func(Event)) *Listener {
	if match == nil {
		match = func(string, string) bool { return true }
	}
	l := &Listener{table: t, match: match, f: f}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listeners = append(t.listeners, l)
	return l
}

// Close ends the listener; events that wait are dropped and counted. It does not wait for
// a call of f that is running.
func (l *Listener) Close() {
	if l.closing != nil {
		l.closing()
		return
	}
	t := l.table
	t.mu.Lock()
	t.listeners = slices.DeleteFunc(t.listeners, func(o *Listener) bool { return o == l })
	t.mu.Unlock()
	l.mu.Lock()
	queue := l.queue
	l.queue, l.closed = nil, true
	l.mu.Unlock()
	for _, p := range queue {
		t.dropped.Add(1)
		p.held.Consumed()
	}
}

// put queues an event.
func (l *Listener) put(e Event, held *session.Held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		held.Consumed()
		return
	}
	l.queue = append(l.queue, pendingEvent{e, held})
	if !l.runs {
		l.runs = true
		l.table.wg.Add(1)
		go l.run()
	}
}

// run ends when the queue is empty, so an idle listener has no goroutine.
func (l *Listener) run() {
	defer l.table.wg.Done()
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.queue, l.runs = nil, false
			l.mu.Unlock()
			return
		}
		p := l.queue[0]
		l.queue[0] = pendingEvent{}
		l.queue = l.queue[1:]
		l.mu.Unlock()
		l.call(p.event)
		p.held.Consumed()
	}
}

// call calls f. Its panic is told to OnError, or goes on if there is none.
func (l *Listener) call(e Event) {
	if l.table.OnError != nil {
		defer func() {
			if p := recover(); p != nil {
				e.Fail(status.Errorf(status.Internal, "a listener of event %q panicked: %v\n%s", e.Name, p, debug.Stack()))
			}
		}()
	}
	l.f(e)
}

// eventTarget is the session.Target of an event's route.
type eventTarget struct {
	table     *Table
	key       key
	broadcast bool
}

func (t *Table) bindEvent(k key, class session.Class) (session.Target, error) {
	target := &eventTarget{t, k, class == session.ClassBroadcast}
	if class == session.ClassEvent && len(target.listeners()) == 0 {
		return nil, unheard(k)
	}
	return target, nil
}

func unheard(k key) *status.Error {
	return status.Errorf(status.UnknownMethod, "nobody listens for event %q at the peer", k.String())
}

func (e *eventTarget) listeners() []*Listener {
	e.table.mu.RLock()
	defer e.table.mu.RUnlock()
	var found []*Listener
	for _, l := range e.table.listeners {
		if l.match(e.key.channel, e.key.name) {
			found = append(found, l)
		}
	}
	return found
}

// Call implements session.Target: events are not called.
func (e *eventTarget) Call(c *session.Call) {
	c.Fail(status.Errorf(status.UnknownMethod, "%q is an event", e.key.String()))
}

// Receive implements session.Target.
func (e *eventTarget) Receive(s *session.Session, f *session.Frame) {
	found := e.listeners()
	if len(found) == 0 {
		e.table.dropped.Add(1)
		if !e.broadcast {
			e.table.fail(unheard(e.key))
		}
		return
	}
	in := session.Incoming{
		Session: s, Header: f.Header, Ext: slices.Clone(f.Ext),
		Bind: session.Bind{Class: session.ClassEvent, Channel: e.key.channel, Name: e.key.name},
	}
	ev := Event{
		Channel: e.key.channel, Name: e.key.name, Broadcast: e.broadcast, Sender: s.SourceName(f.Source), Codec: f.Codec, In: in,
		table: e.table,
	}
	held := f.Hold()
	for i, l := range found {
		ev.Payload = slices.Clone(f.Payload)
		if i == len(found)-1 {
			l.put(ev, held)
			continue
		}
		l.put(ev, nil)
	}
}
