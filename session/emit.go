// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"

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
	if err := r.confirm(ctx); err != nil {
		return err
	}
	if len(m.Payload) > fragmentSize {
		if err := s.enterLong(ctx); err != nil {
			return err
		}
		defer s.leaveLong()
	}
	release, err := r.waitCredit(ctx, len(m.Payload))
	if err != nil {
		return err
	}
	if err = s.appendMessage(ctx, r.oneWayLocked(&m), ext, m.Payload); err != nil {
		s.giveBack(&r.window, len(m.Payload))
	}
	if release {
		r.turn <- struct{}{}
	}
	s.flushOneWay()
	return err
}

// giveBack takes back the credit of a message that was withdrawn: the receiver counts only
// whole ones.
func (s *Session) giveBack(w *window, n int) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	w.sent -= min(cost(n), w.sent)
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
	s.bindLocked(r)
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
	o := &s.out
	o.mu.Lock()
	size, writing := len(o.buf), o.writing.Load()
	if !writing && size < oneWayFlush {
		s.wakeFlusherLocked()
	}
	o.mu.Unlock()
	if !writing && size >= oneWayFlush {
		s.flush(false)
	}
}

// waitCredit returns with out.mu locked, r bound and credit and room for a message of n
// bytes. If it is a long one, the route is the caller's until it has put the token back.
func (r *Route) waitCredit(ctx context.Context, n int) (bool, error) {
	s := r.s
	for {
		if err := s.waitRoom(ctx); err != nil {
			return false, err
		}
		s.bindLocked(r)
		wait := r.window.waitLocked()
		long := n > fragmentSize
		if wait == nil && (long || r.turn != nil) {
			ok, err := r.takeTurn(ctx, long)
			if ok || err != nil {
				return long, err
			}
			continue
		}
		if wait == nil {
			return false, nil
		}
		s.out.mu.Unlock()
		s.flush(false)
		handOff(ctx)
		select {
		case <-wait:
		case <-s.done:
			return false, s.closedError()
		case <-ctx.Done():
			return false, ctxError(ctx)
		}
	}
}

// waitLocked returns nil if a message may be sent, else what is closed when more may.
// A message may begin as long as the limit is not reached, so that one of any length
// gets through.
func (w *window) waitLocked() chan struct{} {
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
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
}

// takeTurn waits until no long message is under way on the route: fragments of one must
// not be mixed with another message. It is called with out.mu locked and returns true
// with it locked; false means that it had to wait and everything is to be checked again.
func (r *Route) takeTurn(ctx context.Context, keep bool) (bool, error) {
	if r.turn == nil {
		r.turn = make(chan struct{}, 1)
		r.turn <- struct{}{}
	}
	select {
	case <-r.turn:
		if !keep {
			r.turn <- struct{}{}
		}
		return true, nil
	default:
	}
	r.s.out.mu.Unlock()
	r.s.flush(false)
	handOff(ctx)
	select {
	case <-r.turn:
		r.turn <- struct{}{}
		return false, nil
	case <-r.s.done:
		return false, r.s.closedError()
	case <-ctx.Done():
		return false, ctxError(ctx)
	}
}

// confirm makes the first use of an event or topic route wait until the peer has read
// the BIND and, if it did not like it, refused: the answer to a PING sent after the BIND
// comes after the REVOKE.
func (r *Route) confirm(ctx context.Context) error {
	s := r.s
	s.out.lock()
	if s.out.closed {
		s.out.mu.Unlock()
		return s.closedError()
	}
	if r.confirmed && r.refused == nil {
		s.out.mu.Unlock()
		return nil
	}
	if err := r.refusalLocked(); err != nil {
		s.out.mu.Unlock()
		return err
	}
	s.bindLocked(r)
	s.out.mu.Unlock()
	if err := s.Ping(ctx); err != nil {
		return err
	}
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if err := r.refusalLocked(); err != nil {
		return err
	}
	r.confirmed = true
	return nil
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
