// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Handler serves the calls of a method. It runs on the goroutine that reads the
// connection and may take its time, see session.Target.
type Handler func(c *session.Call)

// key names a thing within a channel.
type key struct{ channel, name string }

func (k key) String() string { return subject.JoinMethod(k.channel, k.name) }

// Table is what one side offers: the session.Router of direct conversations, and of a
// member towards its hub. It is safe for concurrent use and may serve many sessions.
// Close ends what it has started.
type Table struct {
	// Operations serves the methods of channel "$"; set before use, nil for none but
	// subscribe and explore.
	Operations func(op string) Handler
	// OnError is told of what goes wrong without a caller to tell it to: events that do not
	// decode or that nobody here listens for any more, listeners that panic. It is called on
	// the goroutine that found it and must not block. Set before use; nil tells nobody, and
	// leaves a panic be.
	OnError func(error)

	mu        sync.RWMutex
	methods   map[key]*method
	listeners []*Listener
	topics    map[key]*topic
	feeds     map[string]*subject.Trie[*feed] // by channel
	open      map[*feed]struct{}
	closed    bool
	wg        sync.WaitGroup

	published, delivered, dropped atomic.Uint64

	window window
}

// method is a session.Target whose handler may come and go.
type method struct {
	key   key
	table *Table
	serve atomic.Pointer[offered]
}

// offered is a handler with what is told of it.
type offered struct {
	serve Handler
	terms Terms
}

// Call implements session.Target.
func (m *method) Call(c *session.Call) {
	if o := m.serve.Load(); o != nil {
		if number, ok := c.Once(); ok && c.Shape() == session.Unary {
			m.table.serveOnce(c, o, number)
			return
		}
		o.serve(c)
		return
	}
	c.Fail(unknown(m.key))
}

// InPlace implements session.InPlacer.
func (m *method) InPlace() bool {
	o := m.serve.Load()
	return o != nil && o.terms.InPlace
}

// Receive implements session.Target: a method takes no events.
func (m *method) Receive(*session.Session, *session.Frame) {}

func unknown(k key) *status.Error {
	return status.Errorf(status.UnknownMethod, "the peer has no method %q", k.String())
}

// Handle offers a method until remove is called. The name is taken as long as it is offered.
func (t *Table) Handle(channel, name string, terms Terms, h Handler) (remove func(), err error) {
	if err := validMethod(channel, name); err != nil {
		return nil, err
	}
	if err := terms.check(); err != nil {
		return nil, err
	}
	o := &offered{h, terms}
	k := key{channel, name}
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.methods[k]
	if m == nil {
		m = &method{key: k, table: t}
		if t.methods == nil {
			t.methods = make(map[key]*method)
		}
		t.methods[k] = m
	}
	if !m.serve.CompareAndSwap(nil, o) {
		return nil, status.Errorf(status.AlreadyExists, "method %q has a handler already", k.String())
	}
	return func() { m.serve.CompareAndSwap(o, nil) }, nil
}

func validMethod(channel, name string) error {
	if channel != "" {
		if err := subject.ValidateChannel(channel); err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
	}
	if err := subject.ValidateMethod(name); err != nil {
		return status.Errorf(status.InvalidArgument, "%w", err)
	}
	return nil
}

// Methods lists the methods that have a handler now, as channel/method.
func (t *Table) Methods() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var names []string
	for k, m := range t.methods {
		if m.serve.Load() != nil {
			names = append(names, k.String())
		}
	}
	return names
}

// Bind implements session.Router.
func (t *Table) Bind(s *session.Session, b session.Bind) (session.Target, error) {
	k := key{b.Channel, b.Name}
	if b.Target != "" && b.Target != s.ID() {
		return nil, status.Errorf(status.NotFound, "%q is not here: this is %q", b.Target, s.ID())
	}
	if err := mayBind(s, &b); err != nil {
		return nil, err
	}
	switch b.Class {
	case session.ClassMethod:
		return t.bindMethod(k)
	case session.ClassEvent, session.ClassBroadcast:
		return t.bindEvent(k, b.Class)
	case session.ClassTopic:
		return t.bindTopic(k)
	}
	return nil, status.Errorf(status.Protocol, "a route of class %d is unknown here", b.Class)
}

func (t *Table) bindMethod(k key) (session.Target, error) {
	if k.channel == operation.Channel {
		return t.bindOperation(k)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if m := t.methods[k]; m != nil && m.serve.Load() != nil {
		return m, nil
	}
	return nil, unknown(k)
}

// bindOperation finds what serves an operation here.
func (t *Table) bindOperation(k key) (session.Target, error) {
	switch k.name {
	case operation.Subscribe:
		return operationTarget(t.subscribe), nil
	case operation.Explore:
		return operationTarget(t.explore), nil
	}
	if t.Operations != nil {
		if h := t.Operations(k.name); h != nil {
			return operationTarget(h), nil
		}
	}
	return nil, status.Errorf(status.Unimplemented, "a direct peer cannot %s: that takes a hub (hub.New, plexus serve)", k.name)
}

type operationTarget Handler

// Call implements session.Target.
func (h operationTarget) Call(c *session.Call) { h(c) }

// Receive implements session.Target.
func (h operationTarget) Receive(*session.Session, *session.Frame) {}

// Close removes everything and returns when all goroutines of the table have ended.
func (t *Table) Close() {
	t.mu.Lock()
	t.closed = true
	listeners := t.listeners
	t.listeners = nil
	for _, m := range t.methods {
		m.serve.Store(nil)
	}
	t.mu.Unlock()
	t.EndCalls()
	t.EndSubscriptions()
	for _, l := range listeners {
		l.Close()
	}
	t.wg.Wait()
}

// EndSubscriptions ends all subscriptions to this side's topics: subscribers are told
// status.Unavailable.
func (t *Table) EndSubscriptions() {
	t.mu.Lock()
	feeds := slices.Collect(maps.Keys(t.open))
	t.mu.Unlock()
	for _, f := range feeds {
		if f.local != nil {
			_ = f.local.Close()
			continue
		}
		f.end(&status.Error{Code: status.Unavailable, Message: "the publisher is closing"})
	}
}

// AnswerJSON answers an operation.
func AnswerJSON(c *session.Call, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		c.Fail(err)
		return
	}
	c.Reply(session.Message{Codec: codecJSON, Payload: b})
}

// Counts are what a table's topics have seen since it was made.
type Counts struct{ Published, Delivered, Dropped uint64 }

// Counts returns them.
func (t *Table) Counts() Counts {
	return Counts{t.published.Load(), t.delivered.Load(), t.dropped.Load()}
}
