// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Hedge sends a call a second time if its answer is late. The first answer counts, and the other
// sending is cancelled. Where several providers share a method (service.WithGroup) that cuts off
// the slowest ones; with a single provider it hardly helps.
//
// Only calls with plexus.WithIdempotent are sent twice, because both may be executed; all others,
// those with a Loan, those that are sealed (package seal) and streams pass as they are.
type Hedge struct {
	// Delay is how long an answer may take before the call is sent again. With Quantile it is the
	// least time, and 0 is DefaultHedgeFloor.
	Delay time.Duration
	// Quantile, 0.95 say, makes it the time within which this share of the answers came lately;
	// the first 32 calls of a method are then not sent twice. It is DefaultQuantile if there is no
	// Delay either.
	Quantile float64
	// Budget bounds the second sendings, as a share of the calls of the last ten seconds: 0 is 0.1,
	// below 0 no bound. Ten in ten seconds are allowed in any case.
	Budget float64
}

// Defaults of Hedge.
const (
	DefaultQuantile   = 0.95
	DefaultHedgeFloor = time.Millisecond
)

func (h Hedge) stage(w *Wrapped) stage {
	if h.Delay <= 0 && h.Quantile <= 0 {
		h.Quantile = DefaultQuantile
	}
	if h.Quantile > 0 {
		h.Quantile = min(h.Quantile, 1)
		orDuration(&h.Delay, DefaultHedgeFloor)
	}
	s := &hedges{cfg: h, counts: &w.counts, budget: newBudget(h.Budget), learned: make(map[string]*latency)}
	s.rest.quantile = h.Quantile
	return s
}

// hedges is Hedge at work.
type hedges struct {
	cfg     Hedge
	counts  *counts
	budget  *budget
	learned map[string]*latency // under Wrapped.mu
	rest    latency             // of methods beyond maxMethods
}

func (h *hedges) around(method string, next session.Invoker) session.Invoker {
	l := h.learned[method]
	if l == nil {
		if l = &h.rest; len(h.learned) < maxMethods {
			l = &latency{quantile: h.cfg.Quantile}
			h.learned[method] = l
		}
	}
	return &hedging{h, l, next}
}

// hedging is Hedge around one method.
type hedging struct {
	*hedges
	latency *latency
	next    session.Invoker
}

// Open implements session.Invoker.
func (h *hedging) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	return h.next.Open(ctx, shape, m)
}

// Call implements session.Invoker.
func (h *hedging) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	if !m.Idempotent || single(&m) {
		return h.next.Call(ctx, m, dst)
	}
	h.budget.call()
	delay, learns := h.cfg.Delay, h.cfg.Quantile > 0
	if !learns {
		return h.race(ctx, delay, m, dst)
	}
	known := h.latency.get()
	began := time.Now()
	var rep session.Reply
	var err error
	if known == 0 {
		rep, err = h.next.Call(ctx, m, dst)
	} else {
		rep, err = h.race(ctx, max(known, delay), m, dst)
	}
	if answered(err) {
		h.latency.see(time.Since(began))
	}
	return rep, err
}

// answered reports whether a sending has brought an answer, good or bad.
func answered(err error) bool { return err == nil || !transient(err) }

// race makes a call on the caller's goroutine, and once more on another if the answer is late.
// It returns when both have ended: the payload and dst belong to the caller.
func (h *hedging) race(ctx context.Context, delay time.Duration, m session.Message, dst []byte) (session.Reply, error) {
	firstCtx, endFirst := context.WithCancel(ctx)
	defer endFirst()
	x := &second{hedging: h, endFirst: endFirst, done: make(chan struct{})}
	t := time.AfterFunc(delay, func() {
		defer close(x.done)
		x.send(ctx, m)
	})
	rep, err := h.next.Call(firstCtx, m, dst)
	if t.Stop() {
		return rep, err
	}
	if answered(err) {
		x.end()
	}
	<-x.done
	return x.choose(rep, err, dst)
}

// second is the second sending of a call.
type second struct {
	*hedging
	endFirst context.CancelFunc
	done     chan struct{}

	mu     sync.Mutex
	over   bool               // it is not wanted any more
	cancel context.CancelFunc // ends it, nil before it has begun

	// what came of it, after done
	sent bool
	rep  session.Reply
	err  error
}

// send sends it, unless the answer has come meanwhile or the budget is used up.
func (x *second) send(ctx context.Context, m session.Message) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !x.begin(cancel) {
		return
	}
	x.sent = true
	if x.rep, x.err = x.next.Call(ctx, m, nil); answered(x.err) {
		x.endFirst()
	}
}

// begin reports whether it is to be sent.
func (x *second) begin(cancel context.CancelFunc) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return false
	}
	if !x.budget.take() {
		x.counts.unpaidHedges.Add(1)
		return false
	}
	x.counts.hedges.Add(1)
	x.cancel = cancel
	return true
}

// end says that it is not wanted any more.
func (x *second) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	if x.cancel != nil {
		x.cancel()
	}
}

// choose returns the end of the call from those of both sendings, after both.
func (x *second) choose(rep session.Reply, err error, dst []byte) (session.Reply, error) {
	if !x.sent {
		return rep, err
	}
	if answered(err) || !answered(x.err) {
		if x.rep.Loan != nil {
			x.rep.Loan.Release()
		}
		return rep, x.safe(err)
	}
	x.counts.won.Add(1)
	if dst != nil && x.rep.Loan == nil {
		x.rep.Payload = append(dst, x.rep.Payload...)
	}
	return x.rep, x.err
}

// safe returns err so that it is not said to be safe to repeat unless both sendings are.
func (x *second) safe(err error) error {
	if err == nil || !status.Retryable(err) || status.Retryable(x.err) {
		return err
	}
	e := *status.Convert(err)
	e.Retry, e.Err = status.RetryUnsafe, err
	return &e
}
