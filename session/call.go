// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// waiter is the sink of a blocking call. It copies the answer to where the caller wants it.
type waiter struct {
	state atomic.Int32
	ch    chan struct{} // one token when state goes from waiterParked to waiterDone

	dst     []byte
	codec   uint8
	err     error
	inPlace bool
	loan    *Loan
}

const (
	waiterReads  int32 = iota // the caller reads the connection itself
	waiterParked              // the caller waits at ch
	waiterDone
)

// Item refuses: the method answers with a stream.
func (w *waiter) Item(*Frame) {}

// Final implements Sink.
func (w *waiter) Final(f *Frame, err error) {
	if err == nil {
		w.take(f)
	}
	w.err = err
	if w.state.Swap(waiterDone) == waiterParked {
		w.ch <- struct{}{}
	}
}

// take keeps the answer, without a copy if that can be.
func (w *waiter) take(f *Frame) {
	w.codec = f.Codec
	if w.inPlace {
		w.loan = f.Loan()
		return
	}
	if w.dst == nil {
		w.dst = f.private()
		return
	}
	w.dst = append(w.dst, f.Payload...)
}

// call is a blocking call.
func (s *Session) call(ctx context.Context, r *Route, m *Message, dst []byte) (Reply, error) {
	w := s.cfg.Keeper.waiter()
	w.dst, w.codec, w.err = dst, 0, nil
	w.inPlace, w.loan = m.InPlace, nil
	w.state.Store(waiterParked)
	id, err := r.begin(ctx, m, w, wire.Unary, wire.FlagEnd)
	if err != nil {
		w.dst = nil
		s.cfg.Keeper.waiters.Put(w)
		return Reply{}, err
	}
	own := s.claimFor(w)
	pending := s.calls.pending.Load()
	s.flush(pending > 1)
	if own {
		s.readOwn(w)
		own = !w.state.CompareAndSwap(waiterReads, waiterParked)
	}
	if !own {
		if err := s.await(ctx, r, id, w, pending == 1); err != nil {
			return Reply{}, err
		}
	}
	reply := Reply{Codec: w.codec, Payload: w.dst, Loan: w.loan}
	err = w.err
	w.dst, w.err, w.loan = nil, nil, nil
	s.cfg.Keeper.waiters.Put(w)
	if err != nil {
		return Reply{}, err
	}
	return reply, nil
}

// claimFor takes the role for a caller whose request is in the outbox, if nobody has it:
// not earlier, because whoever has it must not wait for room there.
func (s *Session) claimFor(w *waiter) bool {
	if !s.claim() {
		s.recall() // it may have been left to callers just now
		return false
	}
	if w.state.CompareAndSwap(waiterParked, waiterReads) {
		return true
	}
	s.unclaim(true) // the answer is there already
	return false
}

// await parks until the final frame or the end of ctx. An error means that w must not be
// touched any more.
func (s *Session) await(ctx context.Context, r *Route, id uint32, w *waiter, lone bool) error {
	var began time.Time
	if lone {
		began = time.Now()
	}
	handOff(ctx)
	if ended := ctx.Done(); ended == nil {
		<-w.ch
	} else {
		select {
		case <-w.ch:
		case <-ended:
			if s.calls.abandon(id) {
				r.Cancel(id)
				return ctxError(ctx)
			}
			<-w.ch
		}
	}
	if lone {
		s.noteLone(began)
	}
	return nil
}

// Pending is a call under way that was begun with Go.
type Pending struct {
	r       *Route
	id      uint32
	inPlace bool
	done    chan struct{}
	rep     Reply
	err     error
	stop    context.CancelFunc // ends it, if Begin has begun it; nil otherwise

	given  atomic.Bool                 // up, or about to be
	forget atomic.Pointer[func() bool] // stops watching ctx; nil if nothing does
}

// Go begins a call without waiting for its answer. At the end of ctx the call is given up.
func (r *Route) Go(ctx context.Context, m Message) *Pending {
	p := &Pending{r: r, inPlace: m.InPlace, done: make(chan struct{})}
	id, err := r.Start(ctx, m, p)
	p.id = id
	if err != nil {
		p.err = err
		close(p.done)
		return p
	}
	if ctx.Done() != nil {
		p.watch(ctx)
	}
	return p
}

// watch gives the call up at the end of ctx.
func (p *Pending) watch(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { p.giveUp(status.Convert(ctxError(ctx))) })
	p.forget.Store(&stop)
	select {
	case <-p.done: // Final may have come too early to find it
		stop()
	default:
	}
}

// Item implements Sink.
func (p *Pending) Item(*Frame) {}

// Final implements Sink.
func (p *Pending) Final(f *Frame, err error) {
	switch {
	case err != nil:
	case p.inPlace:
		p.rep = Reply{Codec: f.Codec, Loan: f.Loan()}
	default:
		p.rep = Reply{Codec: f.Codec, Payload: f.private()}
	}
	p.err = err
	close(p.done)
	if stop := p.forget.Load(); stop != nil {
		(*stop)()
	}
}

// Done is closed when the answer is there.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait returns the answer; it may be called more than once. At the end of ctx the call
// goes on: Cancel ends it.
func (p *Pending) Wait(ctx context.Context) (Reply, error) {
	select {
	case <-p.done:
		return p.rep, p.err
	default:
	}
	handOff(ctx)
	select {
	case <-p.done:
		return p.rep, p.err
	case <-ctx.Done():
		return Reply{}, ctxError(ctx)
	}
}

// Cancel gives the call up: the peer is told, and the call ends at once with
// status.Cancelled, or with its answer if that was faster. It is harmless after the end.
func (p *Pending) Cancel() {
	p.giveUp(&status.Error{Code: status.Cancelled, Message: "the caller gave up"})
}

// giveUp ends the call with a reason, unless it has ended.
func (p *Pending) giveUp(reason *status.Error) {
	select {
	case <-p.done:
		return
	default:
	}
	if p.stop != nil {
		p.stop()
		return
	}
	if p.given.CompareAndSwap(false, true) && p.r.s.calls.abandon(p.id) {
		p.r.Cancel(p.id)
		p.Final(nil, reason)
	}
}
