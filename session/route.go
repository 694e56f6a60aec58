// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"math"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Route leads from this session to one method, event or topic of the peer. It costs
// nothing until it is used; then it takes a number, announced by a BIND frame that
// travels with the first message. When the peer's table is full, the number of a route
// not used lately is taken over. A Route is safe for concurrent use.
type Route struct {
	s    *Session
	bind wire.Bind

	// guarded by s.out.mu
	num       uint32 // 0: not bound now
	binding   uint64 // of all bindings of the session; CREDIT and REVOKE name the one they are for
	used      bool   // since the clock hand last passed
	again     bool   // the peer refused it: announce it anew at the next use
	confirmed bool   // the peer has accepted it (events and topics)
	refused   *status.Error
	sequence  uint64
	window    window
	credit    func()        // told when TryEmit may succeed
	turn      chan struct{} // holds a token while nobody sends a long message; nil until needed
}

// window is the sender's half of credit.
type window struct {
	sent, limit uint64
	acked       uint64
	more        chan struct{} // closed when limit grows; nil if nobody waits
}

// Route returns a route of the given meaning.
func (s *Session) Route(b wire.Bind) *Route { return &Route{s: s, bind: b} }

// Bind returns the route's meaning.
func (r *Route) Bind() wire.Bind { return r.bind }

// Session returns the session that the route belongs to.
func (r *Route) Session() *Session { return r.s }

// routes is the table of bound outbound routes; guarded by out.mu.
type routes struct {
	bound []*Route // index is number - 1
	max   uint32
	hand  int // the clock hand
	count uint64
}

// bindLocked makes sure that r has a number, in order with what is appended after it.
func (s *Session) bindLocked(r *Route) {
	r.used = true
	if r.num != 0 && !r.again {
		return
	}
	t := &s.routes
	if r.again {
		r.again = false
	} else if uint32(len(t.bound)) < t.max {
		t.bound = append(t.bound, r)
		r.num = uint32(len(t.bound))
	} else {
		r.num = t.evict(r)
	}
	r.window = window{limit: s.peer.limits.Route, acked: r.window.acked}
	t.count++
	r.binding = t.count
	s.appendLocked(wire.Header{Kind: wire.KindBind, Route: r.num, Sequence: r.binding}, nil, wire.AppendBind(nil, r.bind))
}

// evict takes over the number of a route that has not been used since the hand last
// passed. Rebinding a number is safe: frames are read in the order they are sent.
func (t *routes) evict(r *Route) uint32 {
	for {
		i := t.hand
		t.hand = (t.hand + 1) % len(t.bound)
		old := t.bound[i]
		if old.used || old.turn != nil && len(old.turn) == 0 {
			old.used = false
			continue
		}
		old.num, old.confirmed = 0, false
		t.bound[i] = r
		return uint32(i + 1)
	}
}

// answered returns the route that a CREDIT or REVOKE is for, nil if its number has been
// bound anew meanwhile. A peer that does not echo the binding is taken at its number.
func (t *routes) answered(h *wire.Header) *Route {
	n := h.Route
	if n == 0 || n > uint32(len(t.bound)) {
		return nil
	}
	r := t.bound[n-1]
	if h.Sequence != 0 && h.Sequence != r.binding {
		return nil
	}
	return r
}

// check tells the sender what no receiver would take.
func (r *Route) check(m *Message) error {
	if b := &r.bind; len(b.Channel) > 255 || len(b.Name) > 255 || len(b.Target) > 255 {
		return status.Errorf(status.InvalidArgument, "a name in %.80s… is longer than 255 bytes", r)
	}
	if limit := r.s.peer.limits.Message; uint64(len(m.Payload)) > limit {
		return status.Errorf(status.TooLarge, "message of %d bytes for %s, the peer takes at most %d: send less at a time or use a stream",
			len(m.Payload), r, limit)
	}
	return nil
}

// String returns the route's meaning as people write it.
func (r *Route) String() string { return Describe(r.bind) }

// Describe returns a route's meaning as people write it: class and channel/name.
func Describe(b wire.Bind) string {
	s := b.Class.String() + " " + b.Name
	if b.Channel != "" {
		s = b.Class.String() + " " + b.Channel + "/" + b.Name
	}
	if b.Target != "" {
		s += " at " + b.Target
	}
	return s
}

// Start sends the request of a call without streams and returns its id. sink.Final is
// called exactly once, unless Start itself fails. It blocks only while the outbox is
// full. Blocking calls, the async form and a hub's forwarding stand on it.
func (r *Route) Start(ctx context.Context, m Message, sink Sink) (uint32, error) {
	id, err := r.begin(ctx, &m, sink, wire.Unary, wire.FlagEnd)
	if err == nil {
		r.s.flush(r.s.calls.pending.Load() > 1)
	}
	return id, err
}

// StartStream is Start for forwarders: a call of any shape, whose sink also takes items
// and, with a method Credit(wire.Credit), the credit for those sent by Session.Forward.
// flags are those of the CALL: FlagEnd if the caller sends no items. What was appended is
// not flushed: see Call.FlushAfter.
func (r *Route) StartStream(ctx context.Context, shape wire.Shape, flags wire.Flags, m Message, sink Sink) (uint32, error) {
	return r.begin(ctx, &m, sink, shape, flags&wire.FlagEnd)
}

// Cancel tells the peer that nobody waits for the answer to a call any more. The final
// frame still comes to the sink.
func (r *Route) Cancel(id uint32) {
	r.s.control(wire.Header{Kind: wire.KindCancel, ID: id}, nil)
}

// begin appends a CALL. It does not flush.
func (r *Route) begin(ctx context.Context, m *Message, sink Sink, shape wire.Shape, flags wire.Flags) (uint32, error) {
	s := r.s
	if err := r.check(m); err != nil {
		return 0, err
	}
	ext, err := m.extensions()
	if err != nil {
		return 0, err
	}
	deadline := m.Deadline
	if deadline == 0 {
		if deadline, err = remaining(ctx); err != nil {
			return 0, err
		}
	}
	if s.draining.Load() {
		return 0, s.goneAway()
	}
	if len(m.Payload) > fragmentSize {
		if err := s.enterLong(ctx); err != nil {
			return 0, err
		}
		defer s.leaveLong()
	}
	if err := s.waitRoom(ctx); err != nil {
		return 0, err
	}
	id, err := s.calls.add(sink, shape != wire.Unary)
	if err != nil {
		s.out.mu.Unlock()
		return 0, err
	}
	s.bindLocked(r)
	h := wire.Header{
		Kind: wire.KindCall, Flags: flags, Codec: m.Codec, ID: id, Route: r.num, Source: m.Source,
		Deadline: deadline, Bits: wire.MakeBits(m.Priority, shape, m.Idempotent),
	}
	// A request that could not be sent whole is withdrawn, and answered like any other.
	_ = s.appendMessage(ctx, h, ext, m.Payload)
	return id, nil
}

// maxLong is how many long messages a session sends at a time, calls, items and one-way
// messages together: a receiver keeps four unfinished ones, the last place is for answers.
const maxLong = 3

// enterLong waits for a place among the long messages.
func (s *Session) enterLong(ctx context.Context) error {
	select {
	case s.long <- struct{}{}:
		return nil
	default:
	}
	s.flush(false)
	handOff(ctx)
	select {
	case s.long <- struct{}{}:
		return nil
	case <-s.done:
		return s.closedError()
	case <-ctx.Done():
		return ctxError(ctx)
	}
}

func (s *Session) leaveLong() { <-s.long }

// appendMessage appends a message and unlocks out.mu. A long one is appended fragment by
// fragment, each as soon as there is room, so that others get their turn in between.
func (s *Session) appendMessage(ctx context.Context, h wire.Header, ext, payload []byte) error {
	if h.Source != 0 {
		s.introduceLocked(h.Source)
	}
	flags := h.Flags
	for len(payload) > fragmentSize {
		h.Flags = flags&^wire.FlagEnd | wire.FlagMore
		s.appendLocked(h, ext, payload[:fragmentSize])
		payload, ext = payload[fragmentSize:], nil
		s.out.mu.Unlock()
		s.flush(false)
		if err := s.waitRoom(ctx); err != nil {
			s.withdraw(h)
			return err
		}
	}
	h.Flags = flags
	s.appendLocked(h, ext, payload)
	s.out.mu.Unlock()
	return nil
}

// withdraw tells the peer that the rest of a message will not come.
func (s *Session) withdraw(h wire.Header) {
	s.control(wire.Header{Kind: wire.KindAbort, ID: h.ID, Route: h.Route}, nil)
}

// remaining returns the time that ctx leaves, in microseconds, 0 for no end.
func remaining(ctx context.Context) (uint32, error) {
	d, ok := ctx.Deadline()
	if !ok {
		if ctx.Err() != nil {
			return 0, ctxError(ctx)
		}
		return 0, nil
	}
	left := time.Until(d)
	if left <= 0 || ctx.Err() != nil {
		return 0, status.Errorf(status.DeadlineExceeded, "the time was up before the call was sent: %w", context.DeadlineExceeded)
	}
	return uint32(min(max(left.Microseconds(), 1), math.MaxUint32)), nil
}

// Call implements Invoker.
func (r *Route) Call(ctx context.Context, m Message, dst []byte) (Reply, error) {
	return r.s.call(ctx, r, &m, dst)
}
