// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"runtime"
	"time"

	"github.com/plexus-ipc/plexus/wire"
)

// Emit implements Emitter for routes of the classes event, broadcast and topic.
func (r *Route) Emit(ctx context.Context, m Message) error {
	s := r.s
	if err := r.check(&m); err != nil {
		return err
	}
	ext, err := m.extensions()
	if err != nil {
		return err
	}
	out := s.outgoing(&m)
	if err := r.await(ctx, len(out.bytes)); err != nil {
		out.drop()
		return err
	}
	h := r.oneWayLocked(&m)
	h.Flags |= out.flag()
	if len(out.bytes) > fragmentSize {
		if err := s.appendMessage(ctx, h, ext, out.bytes, r, &r.window); err != nil {
			return err
		}
		s.out.mu.Lock()
	} else {
		if h.Source != 0 {
			s.introduceLocked(h.Source)
		}
		s.appendLocked(h, ext, out.bytes)
	}
	s.flushOneWayLocked()
	return nil
}

// await returns with out.mu locked, once a message of n bytes may be sent.
func (r *Route) await(ctx context.Context, n int) error {
	s := r.s
	pinned := false
	for {
		if err := s.waitBulk(ctx); err != nil {
			s.out.mu.Lock()
			r.pinLocked(&pinned, false)
			s.out.mu.Unlock()
			return err
		}
		wait, err := r.obstacleLocked(n)
		if wait == nil {
			r.pinLocked(&pinned, false)
			if err != nil {
				s.out.mu.Unlock()
			}
			return err
		}
		r.pinLocked(&pinned, r.num != 0 && !r.confirmed)
		if err := s.parkLocked(ctx, wait); err != nil {
			s.out.mu.Lock()
			r.pinLocked(&pinned, false)
			s.out.mu.Unlock()
			return err
		}
	}
}

// pinLocked keeps the route's number from being taken over while somebody waits for the
// peer to accept it: else those who wait for one of few numbers could take them from each
// other for ever.
func (r *Route) pinLocked(pinned *bool, pin bool) {
	switch {
	case pin && !*pinned:
		r.pins++
		r.s.recall() // somebody must read the answer
	case !pin && *pinned:
		if r.pins--; r.pins == 0 {
			r.s.out.wakeFreedLocked()
		}
	}
	*pinned = pin
}

// obstacleLocked returns nil if a message of n bytes may be sent, else what is closed when
// that may have changed, or why it will not.
func (r *Route) obstacleLocked(n int) (<-chan struct{}, error) {
	if err := r.refusalLocked(); err != nil {
		return nil, err
	}
	if wait := r.s.admitLocked(r, n); wait != nil {
		return wait, nil
	}
	if !r.confirmed {
		r.s.probeLocked(r)
		if r.answer == nil {
			r.answer = make(chan struct{})
		}
		return r.answer, nil
	}
	if wait := r.window.waitLocked(); wait != nil {
		return wait, nil
	}
	if r.busy > 0 { // its fragments must not be mixed with another message
		return r.s.out.freedLocked(), nil
	}
	return nil, nil
}

// oneWayLocked takes the credit for m and returns its header.
func (r *Route) oneWayLocked(m *Message) wire.Header {
	r.window.sent += cost(len(m.Payload))
	r.sequence++
	h := wire.Header{
		Kind: wire.KindEvent, Flags: wire.FlagOneWay, Codec: m.Codec, Route: r.num, Source: m.Source,
		Sequence: r.sequence, Bits: wire.MakeBits(m.Priority, 0, false),
	}
	if r.bind.Class == wire.ClassTopic {
		h.Kind = wire.KindPublish
	}
	if m.Sequence != 0 {
		h.Sequence = m.Sequence
	}
	return h
}

// TryEmit is Emit for forwarders: it never waits, and does not flush. false means that the
// peer has given too little credit or the outbox is full; OnCredit tells when to try
// again. It does not wait for the peer to accept the route either: a refusal is the error
// of the next TryEmit, whose message is not sent, and the one after asks anew. It is not
// mixed with Emit on one Route.
func (r *Route) TryEmit(m Message) (bool, error) {
	s := r.s
	if err := r.check(&m); err != nil {
		return false, err
	}
	ext, err := m.extensions()
	if err != nil {
		return false, err
	}
	s.out.lock()
	if s.out.closed {
		s.out.mu.Unlock()
		return false, s.closedError()
	}
	defer s.out.mu.Unlock()
	if err := r.refusalLocked(); err != nil {
		return false, err
	}
	if s.out.hungryLocked(r, r.credit) {
		return false, nil
	}
	if !s.bindLocked(r) {
		s.out.feedLaterLocked(r, r.credit)
		return false, nil
	}
	if r.window.sent >= r.window.limit {
		return false, nil
	}
	if m.Source != 0 {
		s.introduceLocked(m.Source)
	}
	s.appendLocked(r.oneWayLocked(&m), ext, m.Payload)
	return true, nil
}

// OnCredit has f called when TryEmit may succeed after it did not. f must not block, nor
// flush the session: what it sends is flushed after it has returned.
func (r *Route) OnCredit(f func()) {
	r.s.out.mu.Lock()
	defer r.s.out.mu.Unlock()
	r.credit = f
}

// flushOneWay leaves the flush to the flusher, unless much has been collected.
func (s *Session) flushOneWay() {
	s.out.mu.Lock()
	s.flushOneWayLocked()
}

// flushOneWayLocked is flushOneWay and unlocks out.mu. The flusher is woken once for all that
// is collected.
func (s *Session) flushOneWayLocked() {
	o := &s.out
	switch {
	case o.writing.Load() || len(o.buf) == 0: // somebody has been faster, or is
	case len(o.buf) >= oneWayFlush:
		o.bursts++
		o.mu.Unlock()
		s.flush(false)
		return
	case !o.roused:
		o.roused = true
		s.wakeFlusherLocked()
	}
	o.mu.Unlock()
}

// burst is how long the flusher leaves what is collected to a sender that goes on sending.
const burst = 100 * time.Microsecond

// letSend waits for a moment if senders of one-way messages collect so fast that they flush
// for themselves: to write less at a time would cost both sides more.
func (s *Session) letSend() {
	o := &s.out
	o.mu.Lock()
	wait := o.bursts != o.seen && !o.writing.Load() && !o.closed
	o.seen = o.bursts
	if !wait && !o.writing.Load() {
		o.collectLocked()
	}
	o.mu.Unlock()
	if wait {
		time.Sleep(burst)
	}
}

// collectLocked lets a sender on another processor that is in the middle of many one-way
// messages go on, as long as more comes in a short while and nothing else waits.
func (o *outbox) collectLocked() {
	mine := o.writing.Load()
	for last, same := -1, 0; same < calmLooks; same++ {
		size := len(o.buf)
		if size == 0 || o.closed || o.writing.Load() != mine || o.urgent || size >= oneWayFlush {
			return
		}
		if size != last {
			last, same = size, 0
		}
		o.mu.Unlock()
		runtime.Gosched()
		o.mu.Lock()
	}
}

// calmLooks is how often the flusher finds nothing new before it writes: some microseconds.
const calmLooks = 40

// waitLocked returns nil if a message may be sent, else what is closed when more may.
// A message may begin as long as the limit is not reached, so that one of any length
// gets through.
func (w *window) waitLocked() <-chan struct{} {
	if w.sent < w.limit {
		return nil
	}
	if w.more == nil {
		w.more = make(chan struct{})
	}
	return w.more
}

func (w *window) grantLocked(c wire.Credit) {
	w.acked = max(w.acked, c.Acked)
	if c.Limit <= w.limit {
		return
	}
	w.limit = c.Limit
	w.wakeLocked()
}

func (w *window) wakeLocked() {
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
}

// refundLocked takes back the cost of a message that was withdrawn.
func (w *window) refundLocked(n uint64) {
	if w != nil {
		w.sent -= n
		w.wakeLocked()
	}
}

// refusalLocked returns the peer's refusal, once; the next use asks anew.
func (r *Route) refusalLocked() error {
	err := r.refused
	if err == nil {
		return nil
	}
	r.refused, r.confirmed, r.again = nil, false, true
	return err
}
