// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// slow serves the n-th sending after the n-th time, or with the n-th error.
func slow(cancelled *atomic.Int64, ends ...any) *fake {
	return &fake{serve: func(ctx context.Context, n int, m session.Message) (session.Reply, error) {
		switch end := ends[n-1].(type) {
		case time.Duration:
			if err := after(ctx, end); err != nil {
				cancelled.Add(1)
				return session.Reply{}, err
			}
		case error:
			return session.Reply{}, end
		}
		return answer(m)
	}}
}

func TestHedge(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name      string
		ends      []any
		took      time.Duration
		sent      int
		cancelled int64
		won       uint64
		code      status.Code
	}{
		{"fast", []any{s / 2}, s / 2, 1, 0, 0, status.OK},
		{"the second wins", []any{9 * s, s}, 2 * s, 2, 1, 1, status.OK},
		{"the first wins", []any{2 * s, 9 * s}, 2 * s, 2, 1, 0, status.OK},
		{"the second is away", []any{3 * s, status.Unavailable}, 3 * s, 2, 0, 0, status.OK},
		{"the second is refused for good", []any{9 * s, status.InvalidArgument}, s, 2, 1, 1, status.InvalidArgument},
		{"the first fails early", []any{status.Unavailable}, 0, 1, 0, 0, status.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context) {
				var cancelled atomic.Int64
				f := slow(&cancelled, c.ends...)
				w := policy.Wrap(f, policy.Hedge{Delay: s})
				began := time.Now()
				err := call(t, ctx, w, plexus.WithIdempotent())
				if took := time.Since(began); status.CodeOf(err) != c.code || took != c.took || f.calls() != c.sent || cancelled.Load() != c.cancelled {
					t.Errorf("%v after %v, %d sent, %d cancelled", err, took, f.calls(), cancelled.Load())
				}
				if st := w.Stats(); st.HedgesWon != c.won || st.Hedges != uint64(c.sent-1) {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// What may not be executed twice is sent once, however late.
func TestHedgeOnlyIdempotent(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		f := slow(new(atomic.Int64), 9*time.Second)
		if err := call(t, ctx, policy.Wrap(f, policy.Hedge{Delay: time.Second})); err != nil || f.calls() != 1 {
			t.Errorf("%v, %d sent", err, f.calls())
		}
		if _, err := policy.Wrap(fails(0, nil), policy.Hedge{}).Method("m").Open(ctx, 0, session.Message{Idempotent: true}); err != nil {
			t.Error(err)
		}
	})
}

// The end of the caller's context ends both sendings; where one may have taken effect, the call
// is not safe to repeat.
func TestHedgeEnds(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var cancelled atomic.Int64
		limited, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		f := slow(&cancelled, 9*time.Second, 9*time.Second)
		err := call(t, limited, policy.Wrap(f, policy.Hedge{Delay: time.Second}), plexus.WithIdempotent())
		if !errors.Is(err, status.DeadlineExceeded) || cancelled.Load() != 2 {
			t.Errorf("%v, %d cancelled", err, cancelled.Load())
		}
		f = &fake{serve: func(ctx context.Context, n int, _ session.Message) (session.Reply, error) {
			if n == 1 {
				after(ctx, 2*time.Second)
				return session.Reply{}, status.Unavailable
			}
			return session.Reply{}, status.PeerGone
		}}
		err = call(t, ctx, policy.Wrap(f, policy.Hedge{Delay: time.Second}), plexus.WithIdempotent())
		if !errors.Is(err, status.Unavailable) || status.Retryable(err) || f.calls() != 2 {
			t.Errorf("%v, retryable %v", err, status.Retryable(err))
		}
	})
}

// The loan of an answer that is not used is released, that of the other is given on.
func TestHedgeLoans(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		loans := []*session.Loan{session.CopyLoan([]byte("first")), session.CopyLoan([]byte("second"))}
		f := &fake{serve: func(_ context.Context, n int, _ session.Message) (session.Reply, error) {
			if n == 1 { // it has its answer when it is cancelled
				after(context.Background(), 5*time.Second)
			}
			return session.Reply{Loan: loans[n-1]}, nil
		}}
		w := policy.Wrap(f, policy.Hedge{Delay: time.Second})
		rep, err := w.Method("m").Call(ctx, session.Message{Idempotent: true, InPlace: true}, nil)
		if err != nil || rep.Loan != loans[0] || loans[1].Bytes() != nil {
			t.Errorf("%v, %v", rep, err)
		}
		rep.Loan.Release()
	})
}

// A learned delay is the quantile of what was seen; nothing is sent twice before it is known.
func TestHedgeLearns(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		took := 10 * time.Millisecond
		f := &fake{serve: func(ctx context.Context, n int, m session.Message) (session.Reply, error) {
			if err := after(ctx, took); err != nil {
				return session.Reply{}, err
			}
			return answer(m)
		}}
		w := policy.Wrap(f, policy.Hedge{})
		for n := range 32 {
			took = 10 * time.Millisecond
			if n == 7 {
				took = time.Second
			}
			call(t, ctx, w, plexus.WithIdempotent())
		}
		if w.Stats().Hedges != 0 {
			t.Error("sent twice before anything was known")
		}
		took = time.Second
		var at time.Duration
		began := time.Now()
		f.serve = func(ctx context.Context, n int, m session.Message) (session.Reply, error) {
			if n == 33 {
				after(ctx, time.Hour)
				return session.Reply{}, status.Convert(ctx.Err())
			}
			at = time.Since(began)
			return answer(m)
		}
		if err := call(t, ctx, w, plexus.WithIdempotent()); err != nil {
			t.Error(err)
		}
		if at < 10*time.Millisecond || at > 12*time.Millisecond {
			t.Errorf("sent again after %v", at)
		}
	})
}

// A service that has become slow is not sent everything twice.
func TestHedgeBudget(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		f := &fake{serve: func(ctx context.Context, _ int, m session.Message) (session.Reply, error) {
			if err := after(ctx, time.Second); err != nil {
				return session.Reply{}, err
			}
			return answer(m)
		}}
		w := policy.Wrap(f, policy.Hedge{Delay: 10 * time.Millisecond})
		var wg sync.WaitGroup
		for range 400 {
			wg.Go(func() {
				if err := call(t, ctx, w, plexus.WithIdempotent()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if st := w.Stats(); st.Hedges != 40 || st.HedgesRefused != 360 || f.calls() != 440 {
			t.Errorf("%+v, %d sent", st, f.calls())
		}
	})
}

// Answers and timers race in real time without a lost answer or a torn one.
func TestHedgeRace(t *testing.T) {
	f := &fake{serve: func(ctx context.Context, n int, m session.Message) (session.Reply, error) {
		if n%3 != 0 {
			if err := after(ctx, time.Duration(n%7)*50*time.Microsecond); err != nil {
				return session.Reply{}, err
			}
		}
		return answer(m)
	}}
	w := policy.Wrap(f, policy.Hedge{Delay: 100 * time.Microsecond, Budget: -1})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if err := call(t, t.Context(), w, plexus.WithIdempotent()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if st := w.Stats(); st.Hedges == 0 || uint64(f.calls()) != st.Calls+st.Hedges {
		t.Errorf("%+v, %d sent", st, f.calls())
	}
}
