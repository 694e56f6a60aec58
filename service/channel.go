// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Source gives the session to talk by, which may have to be made first.
type Source interface {
	Session(ctx context.Context) (*session.Session, error)
}

// maxHandles bounds what a Channel remembers of names it was asked for.
const maxHandles = 8 << 10

// Channel is a handle on one channel of a hub, or on a direct peer: what can be called,
// sent, published and subscribed to there, and what this side offers there. It costs
// nothing until it is used and is safe for concurrent use.
type Channel struct {
	source Source
	table  *Table
	name   string
	target string // a member id: calls and events go to that member

	mu      sync.RWMutex
	handles map[session.Bind]*Handle

	recent atomic.Pointer[Handle] // the one used last
}

// NewChannel returns a handle. table is what this side offers.
func NewChannel(source Source, table *Table, name string) *Channel {
	return &Channel{source: source, table: table, name: name}
}

// Name returns the channel's name, "" for the peer itself.
func (c *Channel) Name() string { return c.name }

// At returns a handle whose calls and events go to one member of the channel.
func (c *Channel) At(member string) *Channel {
	return &Channel{source: c.source, table: c.table, name: c.name, target: member}
}

// Method returns a handle on a method.
func (c *Channel) Method(name string) session.Invoker { return c.handle(session.ClassMethod, name) }

// Event returns a handle on an event: for the member that provides the name, or the one
// that At has chosen.
func (c *Channel) Event(name string) session.Emitter { return c.handle(session.ClassEvent, name) }

// Broadcast returns a handle on an event for all other members of the channel.
func (c *Channel) Broadcast(name string) session.Emitter {
	return c.handle(session.ClassBroadcast, name)
}

// Topic returns a handle on a topic to publish to.
func (c *Channel) Topic(name string) session.Emitter {
	h := c.handle(session.ClassTopic, name)
	if p := h.topic.Load(); p != nil {
		return p
	}
	p := &publisher{c: c, h: h, acked: Handle{source: h.source, bind: h.bind}}
	p.sending = p.emitOn
	h.topic.Store(p)
	return p
}

func (c *Channel) handle(class session.Class, name string) *Handle {
	if h := c.recent.Load(); h != nil && h.bind.Class == class && h.bind.Name == name {
		return h
	}
	h := c.find(class, name)
	c.recent.Store(h)
	return h
}

// find looks for a handle in the table, and enters it if need be.
func (c *Channel) find(class session.Class, name string) *Handle {
	b := session.Bind{Class: class, Channel: c.name, Name: name, Target: c.target}
	c.mu.RLock()
	h := c.handles[b]
	c.mu.RUnlock()
	if h != nil {
		return h
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.handles[b]; h != nil {
		return h
	}
	if c.handles == nil || len(c.handles) >= maxHandles {
		c.handles = make(map[session.Bind]*Handle)
	}
	h = &Handle{source: c.source, bind: b, hold: holderOf(c.source)}
	h.sending = h.emitOn
	c.handles[b] = h
	return h
}

// Handle is a session.Invoker and session.Emitter that follows its source from session to
// session.
type Handle struct {
	source Source
	bind   session.Bind
	place  atomic.Pointer[place]
	topic  atomic.Pointer[publisher] // of a topic's handle

	hold    Holder  // nil if one-way messages are not kept while there is no session
	sending Sending // emitOn
}

// place is where a handle leads on one session.
type place struct {
	route *session.Route
	hub   bool // the other side is a hub
}

// at returns the route on the present session.
func (h *Handle) at(ctx context.Context) (*session.Route, error) {
	p, err := h.now(ctx)
	if err != nil {
		return nil, err
	}
	return p.route, nil
}

func (h *Handle) now(ctx context.Context) (*place, error) {
	s, err := h.source.Session(ctx)
	if err != nil {
		return nil, err
	}
	return h.on(s), nil
}

// on returns where the handle leads on a session.
func (h *Handle) on(s *session.Session) *place {
	if p := h.place.Load(); p != nil && p.route.Session() == s {
		return p
	}
	p := &place{route: s.Route(h.bind), hub: hubAt(s)}
	h.place.Store(p)
	return p
}

// Call implements session.Invoker.
func (h *Handle) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	if m.Idempotent {
		if l := ledgerOf(h.source); l != nil {
			return h.callOnce(ctx, l, m, dst)
		}
	}
	r, err := h.at(ctx)
	if err != nil {
		return session.Reply{}, err
	}
	rep, err := r.Call(ctx, m, dst)
	if err == nil {
		return rep, nil
	}
	if h.repeats(ctx, r, &m, err) {
		if r, err = h.at(ctx); err != nil {
			return session.Reply{}, err
		}
		rep, err = r.Call(ctx, m, dst)
	}
	return rep, locked(h.source, err)
}

// repeats reports whether a call that has failed with err on r is made once more: where another
// session follows the one that has ended, and it does no harm.
func (h *Handle) repeats(ctx context.Context, r *session.Route, m *session.Message, err error) bool {
	if ctx.Err() != nil || m.Loan != nil || ledgerOf(h.source) == nil || r.Session().Err() == nil {
		return false
	}
	return status.Retryable(err) // what is idempotent goes by callOnce
}

// Open implements session.Invoker.
func (h *Handle) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	r, err := h.at(ctx)
	if err != nil {
		return nil, err
	}
	return r.Open(ctx, shape, m)
}

// Go begins a call without waiting for its answer.
func (h *Handle) Go(ctx context.Context, m session.Message) (*session.Pending, error) {
	r, err := h.at(ctx)
	if err != nil {
		return nil, err
	}
	return r.Go(ctx, m), nil
}

// Emit implements session.Emitter.
func (h *Handle) Emit(ctx context.Context, m session.Message) error {
	if h.hold != nil {
		return h.emitHeld(ctx, m, h.sending)
	}
	r, err := h.at(ctx)
	if err != nil {
		return err
	}
	return locked(h.source, r.Emit(ctx, m))
}

// publisher sends to this side's own subscribers if the topic is declared here and the
// other side is no hub.
type publisher struct {
	c *Channel
	h *Handle

	acked    Handle // the lane of publications that are acknowledged
	sequence atomic.Uint64
	sending  Sending // emitOn
}

// Emit implements session.Emitter.
func (p *publisher) Emit(ctx context.Context, m session.Message) error {
	if p.h.hold != nil {
		return p.h.emitHeld(ctx, m, p.sending)
	}
	at, err := p.h.now(ctx)
	if err != nil {
		return err
	}
	b := &p.h.bind
	if !at.hub && p.c.table.Declared(b.Channel, b.Name) {
		return p.c.table.Publish(b.Channel, b.Name, m)
	}
	return locked(p.h.source, at.route.Emit(ctx, m))
}

// hubAt reports whether the other side is a hub.
func hubAt(s *session.Session) bool { return slices.Contains(s.Peer().Features, operation.Feature) }

// Subscribe returns once the subscription is effective.
func (c *Channel) Subscribe(ctx context.Context, pattern string, o SubscribeOptions) (*Subscription, error) {
	sub, err := subscribe(ctx, c.source, c.name, pattern, o)
	return sub, locked(c.source, err)
}

// Lend returns a Loan of n bytes to fill and to send to the other side: by reference where it
// shares memory with this one.
func (c *Channel) Lend(ctx context.Context, n int) (*session.Loan, error) {
	s, err := c.source.Session(ctx)
	if err != nil {
		return nil, err
	}
	return s.Lend(n), nil
}

// Registration is something that this side offers until it is closed or its session ends.
type Registration struct {
	remove   func()
	withdraw func(ctx context.Context) error
	once     sync.Once
	err      error
}

// NewRegistration returns a Registration that is closed by remove, nil if remove is.
func NewRegistration(remove func()) *Registration {
	if remove == nil {
		return nil
	}
	return &Registration{remove: remove}
}

// Close withdraws the offer.
func (r *Registration) Close(ctx context.Context) error {
	r.once.Do(func() {
		if r.withdraw != nil {
			r.err = r.withdraw(ctx)
		}
		if r.remove != nil {
			r.remove()
		}
	})
	return r.err
}

// Offer offers a method: to the peer, or through the hub to everybody. It returns once it
// can be called.
func (c *Channel) Offer(ctx context.Context, name string, terms Terms, h Handler) (*Registration, error) {
	remove, err := c.table.Handle(c.name, name, terms, h)
	if err != nil {
		return nil, err
	}
	offer := operation.Offer{Channel: c.name, Method: name, Shape: uint8(terms.Shape), Input: terms.Input, Output: terms.Output, Sharing: terms.Sharing}
	return c.register(ctx, remove, "method "+subject.JoinMethod(c.name, name), operation.Provide, offer, operation.Withdraw, operation.Offer{Channel: c.name, Method: name})
}

// Declare allows publications on a topic: by this side, and by others if it is shared.
func (c *Channel) Declare(ctx context.Context, name string, terms TopicTerms) (*Registration, error) {
	remove, err := c.table.Declare(c.name, name, terms)
	if err != nil {
		return nil, err
	}
	topic := operation.Topic{Channel: c.name, Name: name, Shared: terms.Shared, Schema: terms.Schema, Keep: terms.Keep, KeepAge: terms.KeepAge.Seconds()}
	return c.register(ctx, remove, "topic "+subject.JoinMethod(c.name, name), operation.Declare, topic, operation.Retract, operation.Topic{Channel: c.name, Name: name})
}

// Explore tells what the channel offers, with the schemas: all, or one method or topic.
// name "" is all. A direct peer tells what it offers itself.
func (c *Channel) Explore(ctx context.Context, name string) (operation.Exploration, error) {
	var x operation.Exploration
	err := c.Operate(ctx, operation.Explore, operation.Query{Channel: c.name, Name: name, Schemas: true}, &x)
	return x, err
}

// register tells a hub what was entered into the table, and every hub that follows. A
// direct peer asks the table.
func (c *Channel) register(ctx context.Context, remove func(), title, do string, what any, undo string, which any) (*Registration, error) {
	e := &Entry{what: title, channel: c.name, enters: true, lost: func(error) { remove() }}
	e.do = func(ctx context.Context, s *session.Session) error {
		if hubAt(s) {
			return operate(ctx, s, do, what, nil)
		}
		if t, ok := what.(operation.Topic); ok {
			return (&TopicTerms{Keep: t.Keep, KeepAge: time.Duration(t.KeepAge * float64(time.Second))}).Direct()
		}
		return nil
	}
	if err := begin(ctx, c.source, e); err != nil {
		remove()
		return nil, err
	}
	withdraw := func(ctx context.Context) error {
		s := end(c.source, e)
		if s == nil || !hubAt(s) {
			return nil
		}
		if err := operate(ctx, s, undo, which, nil); err != nil && s.Err() == nil {
			return err
		}
		return nil // the end of the session withdraws, too
	}
	return &Registration{remove: remove, withdraw: withdraw}, nil
}

// Listen has f called for the events of this channel that are named name, or for all if
// name is "".
func (c *Channel) Listen(name string, f func(Event)) *Listener {
	return c.table.Listen(func(channel, event string) bool {
		return channel == c.name && (name == "" || name == event)
	}, f)
}

// Operate calls an operation of the hub, see package operation. answer may be nil.
func (c *Channel) Operate(ctx context.Context, op string, request, answer any) error {
	s, err := c.source.Session(ctx)
	if err != nil {
		return err
	}
	return locked(c.source, operate(ctx, s, op, request, answer))
}

func operate(ctx context.Context, s *session.Session, op string, request, answer any) error {
	b, err := json.Marshal(request)
	if err != nil {
		return status.Errorf(status.InvalidArgument, "%s: %w", op, err)
	}
	r := s.Route(session.Bind{Class: session.ClassMethod, Channel: operation.Channel, Name: op})
	rep, err := r.Call(ctx, session.Message{Codec: codecJSON, Payload: b}, nil)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(rep.Payload, answer); err != nil {
		return status.Errorf(status.Protocol, "answer to %s: %w", op, err)
	}
	return nil
}

// openOperation opens an operation that answers with a stream and waits for its
// Confirmation.
func openOperation(ctx context.Context, s *session.Session, op string, request any) (*session.Stream, operation.Confirmation, error) {
	var first operation.Confirmation
	b, err := json.Marshal(request)
	if err != nil {
		return nil, first, status.Errorf(status.InvalidArgument, "%s: %w", op, err)
	}
	r := s.Route(session.Bind{Class: session.ClassMethod, Channel: operation.Channel, Name: op})
	x, err := r.Open(context.WithoutCancel(ctx), session.ServerStream, session.Message{Codec: codecJSON, Payload: b})
	if err != nil {
		return nil, first, err
	}
	item, err := x.Recv(ctx, nil)
	if err == nil {
		if err = json.Unmarshal(item.Payload, &first); err != nil {
			err = status.Errorf(status.Protocol, "confirmation of %s: %w", op, err)
		}
	}
	if err != nil {
		x.Cancel()
		return nil, first, err
	}
	return x, first, nil
}

// Join makes this side a member of the hub's channel, which is made if need be: it gets its
// broadcasts and is listed. Offering a method or declaring a topic joins, too.
func (c *Channel) Join(ctx context.Context) (operation.Joined, error) {
	var j operation.Joined
	e := &Entry{what: "membership of " + c.name, channel: c.name, enters: true}
	e.do = func(ctx context.Context, s *session.Session) error {
		return operate(ctx, s, operation.Join, operation.Place{Channel: c.name}, &j)
	}
	err := begin(ctx, c.source, e)
	return j, err
}

// Leave ends the membership, and what this side offers in the channel.
func (c *Channel) Leave(ctx context.Context) error {
	if l := ledgerOf(c.source); l != nil {
		l.forget(func(e *Entry) bool { return e.channel == c.name })
	}
	return c.Operate(ctx, operation.Leave, operation.Place{Channel: c.name}, nil)
}

// Members lists the members of the hub's channel, or the peers of a direct server.
func (c *Channel) Members(ctx context.Context) ([]operation.Member, error) {
	var list operation.MemberList
	err := c.Operate(ctx, operation.Members, operation.Place{Channel: c.name}, &list)
	return list.Members, err
}

// Watch returns the stream of a channel's notices, see NextNotice.
func (c *Channel) Watch(ctx context.Context) (*session.Stream, error) {
	s, err := c.source.Session(ctx)
	if err != nil {
		return nil, err
	}
	x, _, err := openOperation(ctx, s, operation.Watch, operation.Place{Channel: c.name})
	return x, err
}

// NextNotice returns the next notice of a stream that Watch has returned.
func NextNotice(ctx context.Context, x *session.Stream) (operation.Notice, error) {
	var n operation.Notice
	item, err := x.Recv(ctx, nil)
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(item.Payload, &n); err != nil {
		return n, status.Errorf(status.Protocol, "notice: %w", err)
	}
	return n, nil
}
