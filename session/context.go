// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"slices"
	"sync"
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
	deadline int64 // nanoseconds since 1970, 0 for none

	mu   sync.Mutex
	err  error
	more *ending // made when somebody asks for Done
}

// ending is how a context tells its end.
type ending struct {
	done  chan struct{}
	after []*afterFunc
	timer *time.Timer
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
	if c.ctx != nil {
		return c.ctx
	}
	x := c.t.newContext()
	x.t, x.s, x.route, x.header = c.t, c.s, c.route, c.Header
	if len(c.Ext) > 0 {
		x.ext = append([]byte(nil), c.Ext...)
	}
	if c.Deadline != 0 {
		x.deadline = time.Now().Add(c.Remaining()).UnixNano()
	}
	c.s.in.mu.Lock()
	c.ctx = x
	c.s.in.mu.Unlock()
	if r := c.reason.Load(); r != nil {
		x.cancel(r)
	}
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
	return time.Unix(0, x.deadline), true
}

// Done implements context.Context.
func (x *callContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.armLocked().done
}

// armLocked makes the channel, and the timer if there is a deadline.
func (x *callContext) armLocked() *ending {
	if x.more != nil {
		return x.more
	}
	x.more = &ending{done: make(chan struct{})}
	if x.err != nil {
		close(x.more.done)
	} else if d, ok := x.Deadline(); ok {
		x.more.timer = time.AfterFunc(time.Until(d), func() {
			x.cancel(&status.Error{Code: status.DeadlineExceeded, Message: "the time of the call was up"})
		})
	}
	return x.more
}

// Err implements context.Context.
func (x *callContext) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if d, ok := x.Deadline(); ok && x.err == nil && x.more == nil && time.Now().After(d) {
		x.err = context.DeadlineExceeded
	}
	return x.err
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
	if x.err != nil {
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
	i := slices.Index(x.more.after, a)
	if i < 0 {
		return false
	}
	x.more.after = slices.Delete(x.more.after, i, i+1)
	return true
}

// cancel ends the context; only the first reason counts. Like every context it says only
// context.Canceled or context.DeadlineExceeded.
func (x *callContext) cancel(reason *status.Error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return
	}
	x.err = context.Canceled
	if reason.Code == status.DeadlineExceeded {
		x.err = context.DeadlineExceeded
	}
	m := x.more
	if m == nil {
		return
	}
	close(m.done)
	if m.timer != nil {
		m.timer.Stop()
	}
	for _, a := range m.after {
		go a.f()
	}
	m.after = nil
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
