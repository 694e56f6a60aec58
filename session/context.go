// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// contextsPerBlock is how many contexts are allocated together. They are never used a
// second time: one that a handler has passed on must not become that of another call.
const contextsPerBlock = 16

// callContext is the context of one call's handler. Its timer and channel are made only
// if somebody asks for Done.
// It is small, because every call has one.
type callContext struct {
	t        *turn
	s        *Session
	route    *inRoute
	header   wire.Header
	ext      []byte
	deadline time.Duration // after the session began, by the monotonic clock; 0 for none

	over atomic.Uint32          // why it has ended, 0 if it has not
	more atomic.Pointer[ending] // made, under mu, when somebody asks for Done
	mu   sync.Mutex
}

// Why a context has ended.
const (
	overCanceled = 1
	overDeadline = 2
)

// ending is how a context tells its end.
type ending struct {
	done   chan struct{}
	closed bool
	after  []*afterFunc
	timer  *time.Timer
}

type afterFunc struct{ f func() }

// Incoming is what came with a call, an event or a publication besides its value.
type Incoming struct {
	// Session is what it came by.
	Session *Session
	// Header is the frame's header; its Source is the sender's number.
	Header wire.Header
	// Bind is the meaning of the route.
	Bind wire.Bind
	// Ext is the extension section: see Headers and Timestamp. It is private to the reader.
	Ext []byte
}

// Sender returns the member id of who sent it: introduced by the hub, or else the peer's.
func (in *Incoming) Sender() string { return in.Session.SourceName(in.Header.Source) }

type incomingKey struct{}

// FromContext returns what came with the call whose handler runs with ctx.
func FromContext(ctx context.Context) (*Incoming, bool) {
	in, ok := ctx.Value(incomingKey{}).(*Incoming)
	return in, ok
}

// Context returns the context of the call: it ends with its deadline, when the caller
// gives up or goes away, and when the call has been answered.
func (c *Call) Context() context.Context {
	if x := c.ctx.Load(); x != nil {
		return x
	}
	x := c.makeContext()
	if r := c.reason.Load(); r != nil {
		x.cancel(r)
	}
	return x
}

// makeContext makes the context, which nobody has cancelled yet.
func (c *Call) makeContext() *callContext {
	x := c.t.newContext()
	x.t, x.s, x.route, x.header = c.t, c.s, c.route, c.Header
	if len(c.Ext) > 0 {
		x.ext = append([]byte(nil), c.Ext...)
	}
	if c.Deadline != 0 {
		x.deadline = time.Since(c.s.began) + c.Remaining()
	}
	c.ctx.Store(x) // before reason is looked at: Cancelled does it the other way round
	return x
}

func (t *turn) newContext() *callContext {
	if len(t.contexts) == 0 {
		t.contexts = make([]callContext, contextsPerBlock)
	}
	x := &t.contexts[0]
	t.contexts = t.contexts[1:]
	return x
}

// Deadline implements context.Context.
func (x *callContext) Deadline() (time.Time, bool) {
	if x.deadline == 0 {
		return time.Time{}, false
	}
	return x.s.began.Add(x.deadline), true
}

// Done implements context.Context.
func (x *callContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.armLocked().done
}

// armLocked makes the channel, and the timer if there is a deadline.
func (x *callContext) armLocked() *ending {
	m := x.more.Load()
	if m != nil {
		return m
	}
	m = &ending{done: make(chan struct{})}
	x.more.Store(m)
	if x.over.Load() != 0 {
		m.close()
	} else if d, ok := x.Deadline(); ok {
		m.timer = time.AfterFunc(time.Until(d), func() {
			x.cancel(&status.Error{Code: status.DeadlineExceeded, Message: "the time of the call was up"})
		})
	}
	return m
}

// close tells the end, once.
func (m *ending) close() {
	if m.closed {
		return
	}
	m.closed = true
	close(m.done)
	if m.timer != nil {
		m.timer.Stop()
	}
	for _, a := range m.after {
		go a.f()
	}
	m.after = nil
}

// Err implements context.Context.
func (x *callContext) Err() error {
	if d, ok := x.Deadline(); ok && x.over.Load() == 0 && x.more.Load() == nil && time.Now().After(d) {
		x.over.CompareAndSwap(0, overDeadline)
	}
	switch x.over.Load() {
	case overCanceled:
		return context.Canceled
	case overDeadline:
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context.
func (x *callContext) Value(key any) any {
	switch key.(type) {
	case turnKey:
		return x.t
	case incomingKey:
		return &Incoming{Session: x.s, Header: x.header, Bind: x.route.bind, Ext: x.ext}
	}
	return nil
}

// AfterFunc spares the context package a goroutine for each context derived from this one.
func (x *callContext) AfterFunc(f func()) func() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.armLocked()
	if m.closed {
		go f()
		return func() bool { return false }
	}
	a := &afterFunc{f}
	m.after = append(m.after, a)
	return func() bool { return x.stop(a) }
}

func (x *callContext) stop(a *afterFunc) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.more.Load()
	i := slices.Index(m.after, a)
	if i < 0 {
		return false
	}
	m.after = slices.Delete(m.after, i, i+1)
	return true
}

// cancel ends the context; only the first reason counts. Like every context it says only
// context.Canceled or context.DeadlineExceeded.
func (x *callContext) cancel(reason *status.Error) {
	why := uint32(overCanceled)
	if reason.Code == status.DeadlineExceeded {
		why = overDeadline
	}
	if !x.over.CompareAndSwap(0, why) || x.more.Load() == nil {
		return // who makes the ending from now on sees that it is over
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.more.Load().close()
}

// Background returns a context that never ends. Given to a function that may have to wait,
// it lets the call's handler leave the reading goroutine first, as Context does, but costs
// nothing.
func (c *Call) Background() context.Context { return c.t }

// A turn is a context that never ends and knows whose reading goroutine is in use.

// Deadline implements context.Context.
func (t *turn) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (t *turn) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (t *turn) Err() error { return nil }

// Value implements context.Context.
func (t *turn) Value(key any) any {
	if _, ok := key.(turnKey); ok {
		return t
	}
	return nil
}
