// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/binary"
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
	num      uint32 // 0: not bound now
	binding  uint64 // of all bindings of the session; CREDIT and REVOKE name the one they are for
	used     bool   // since the clock hand last passed
	again    bool   // the peer refused it: announce it anew at the next use
	busy     int    // long messages that are being sent: the number must not change
	refused  *status.Error
	sequence uint64
	window   window
	credit   func() // told when TryEmit may succeed
	// of events and topics
	token     uint64        // of the PING after the BIND, 0 if none was sent
	confirmed bool          // it was answered
	pins      int           // who waits for that, then sends: the number must not change before
	answer    chan struct{} // closed when it is, or when the route has lost its number; nil if nobody waits
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

// bindLocked makes sure that r has a number, in order with what is appended after it. false
// means that there is none before a long message has ended.
func (s *Session) bindLocked(r *Route) bool {
	r.used = true
	if r.num != 0 && !r.again {
		return true
	}
	if r.busy > 0 {
		return false
	}
	if r.num == 0 && !s.numberLocked(r) {
		return false
	}
	r.again = false
	r.window.wakeLocked()
	r.window = window{limit: s.peer.limits.Route, acked: r.window.acked}
	s.unprobe(r)
	s.routes.count++
	r.binding = s.routes.count
	s.appendLocked(wire.Header{Kind: wire.KindBind, Route: r.num, Sequence: r.binding}, nil, wire.AppendBind(nil, r.bind))
	return true
}

// probeLocked has the peer answer after it has read the BIND and, if it did not like it,
// refused: the PONG comes after the REVOKE.
func (s *Session) probeLocked(r *Route) {
	if r.token != 0 {
		return
	}
	if r.token = s.pings.add(pong{route: r}); r.token != 0 {
		s.appendLocked(wire.Header{Kind: wire.KindPing}, nil, binary.LittleEndian.AppendUint64(nil, r.token))
	}
}

// unprobe forgets what the peer has said of an earlier binding.
func (s *Session) unprobe(r *Route) {
	s.pings.forget(r.token)
	r.token, r.confirmed = 0, false
}

// confirm deals with the answer to a probe.
func (s *Session) confirm(r *Route, token uint64) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if r.token == token {
		r.confirmed = true
		r.wakeLocked()
	}
}

// wakeLocked wakes who waits for credit or the answer to a probe.
func (r *Route) wakeLocked() {
	r.window.wakeLocked()
	if r.answer != nil {
		close(r.answer)
		r.answer = nil
	}
}

// numberLocked gives r a number, if one can be had.
func (s *Session) numberLocked(r *Route) bool {
	t := &s.routes
	if uint32(len(t.bound)) < t.max {
		t.bound = append(t.bound, r)
		r.num = uint32(len(t.bound))
		return true
	}
	for range 2 * len(t.bound) {
		i := t.hand
		t.hand = (t.hand + 1) % len(t.bound)
		old := t.bound[i]
		if old.used || old.busy > 0 || old.pins > 0 {
			old.used = false
			continue
		}
		s.unprobe(old)
		old.num = 0
		old.wakeLocked()
		t.bound[i] = r
		r.num = uint32(i + 1)
		return true
	}
	return false
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
		err := status.Errorf(status.TooLarge, "message of %d bytes for %s, the peer takes at most %d: send less at a time or use a stream",
			len(m.Payload), r, limit)
		err.Details = limitDetails("message", uint64(len(m.Payload)), limit)
		return err
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
		r.s.recall()
		r.s.flush(r.s.calls.pending.Load() > 1)
	}
	return id, err
}

// StartStream is Start for forwarders: a call of any shape, whose sink also takes items
// and, with a method Credit(wire.Credit), the credit for those sent by Session.Forward.
// flags are those of the CALL: FlagEnd if the caller sends no items. What was appended is
// not flushed: see Call.FlushAfter.
func (r *Route) StartStream(ctx context.Context, shape wire.Shape, flags wire.Flags, m Message, sink Sink) (uint32, error) {
	defer r.s.recall()
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
	if s.draining.Load() {
		return 0, s.goneAway()
	}
	out := s.outgoing(m)
	if err := s.admit(ctx, r, len(out.bytes)); err != nil {
		out.drop()
		return 0, err
	}
	deadline := m.Deadline
	if deadline == 0 {
		deadline, err = remaining(ctx)
	}
	var id uint32
	if err == nil {
		id, err = s.calls.add(sink, shape != wire.Unary)
	}
	if err != nil {
		s.out.mu.Unlock()
		out.drop()
		return 0, err
	}
	h := wire.Header{
		Kind: wire.KindCall, Flags: flags | out.flag(), Codec: m.Codec, ID: id, Route: r.num, Source: m.Source, Sequence: m.Sequence,
		Deadline: deadline, Bits: wire.MakeBits(m.Priority, shape, m.Idempotent),
	}
	_ = s.appendMessage(ctx, h, ext, out.bytes, r, nil) // a request that is withdrawn is answered, too
	return id, nil
}

// admit returns with out.mu locked, room in the outbox and r bound, once a message of n
// bytes may begin.
func (s *Session) admit(ctx context.Context, r *Route, n int) error {
	for {
		if err := s.waitRoom(ctx); err != nil {
			return err
		}
		wait := s.admitLocked(r, n)
		if wait == nil {
			return nil
		}
		if err := s.parkLocked(ctx, wait); err != nil {
			return err
		}
	}
}

// admitLocked binds r and returns nil if a message of n bytes may begin, else what is
// closed when that may have changed.
func (s *Session) admitLocked(r *Route, n int) <-chan struct{} {
	if !s.bindLocked(r) {
		return s.out.freedLocked()
	}
	return s.out.longLocked(n, s.peer.limits.Message)
}

// parkLocked unlocks out.mu and waits for a channel, as long as the session and ctx last.
func (s *Session) parkLocked(ctx context.Context, wait <-chan struct{}) error {
	s.out.mu.Unlock()
	s.flush(false)
	handOff(ctx)
	select {
	case <-wait:
		return nil
	case <-s.done:
		return s.closedError()
	case <-ctx.Done():
		return ctxError(ctx)
	}
}

// appendMessage appends a message and unlocks out.mu. A long one is appended fragment by
// fragment, each as soon as there is room, so that others get their turn in between. If
// ctx ends before the last it is withdrawn. r is the route whose number must not change
// meanwhile, w the window that the message was taken from; both may be nil.
func (s *Session) appendMessage(ctx context.Context, h wire.Header, ext, payload []byte, r *Route, w *window) error {
	if h.Source != 0 {
		s.introduceLocked(h.Source)
	}
	if len(payload) > fragmentSize {
		return s.appendLong(ctx, h, ext, payload, r, w)
	}
	s.appendLocked(h, ext, payload)
	s.out.mu.Unlock()
	return nil
}

func (s *Session) appendLong(ctx context.Context, h wire.Header, ext, payload []byte, r *Route, w *window) (err error) {
	whole, flags := len(payload), h.Flags
	s.out.beginLong(whole, r)
	for len(payload) > fragmentSize && err == nil {
		h.Flags = flags&^wire.FlagEnd | wire.FlagMore
		s.appendLocked(h, ext, payload[:fragmentSize])
		payload, ext = payload[fragmentSize:], nil
		s.out.mu.Unlock()
		s.flush(false)
		if err = s.waitBulk(ctx); err != nil {
			s.out.lock()
		}
	}
	if h.Flags = flags; err == nil {
		s.appendLocked(h, ext, payload)
	} else {
		s.appendLocked(wire.Header{Kind: wire.KindAbort, ID: h.ID, Route: h.Route}, nil, nil)
		w.refundLocked(cost(whole))
		if r != nil {
			r.sequence-- // nothing was sent on the route after it
		}
	}
	s.out.endLong(whole, r)
	s.out.mu.Unlock()
	return err
}

// remaining returns the time that ctx leaves, in microseconds, 0 for no end.
func remaining(ctx context.Context) (uint32, error) {
	d, ok := ctx.Deadline()
	if ctx.Err() != nil {
		return 0, ctxError(ctx)
	}
	if !ok {
		return 0, nil
	}
	left := time.Until(d)
	if left <= 0 {
		return 0, status.Errorf(status.DeadlineExceeded, "the time was up before the call was sent: %w", context.DeadlineExceeded)
	}
	return uint32(min(max(left.Microseconds(), 1), math.MaxUint32)), nil
}

// Call implements Invoker.
func (r *Route) Call(ctx context.Context, m Message, dst []byte) (Reply, error) {
	return r.s.call(ctx, r, &m, dst)
}
