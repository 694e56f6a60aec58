// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// TestMain is a provider if kill_test.go starts it as one.
func TestMain(m *testing.M) {
	if address := os.Getenv(providerEnv); address != "" {
		provide(address)
		return
	}
	leak.Main(m)
}

// fake is a Caller whose calls are served by a function. n is which call it is, from 1 on.
type fake struct {
	serve func(ctx context.Context, n int, m session.Message) (session.Reply, error)
	n     atomic.Int64
}

func (f *fake) Method(string) session.Invoker { return f }

func (f *fake) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	rep, err := f.serve(ctx, int(f.n.Add(1)), m)
	rep.Codec = m.Codec
	if rep.Payload != nil {
		rep.Payload = append(dst, rep.Payload...)
	}
	return rep, err
}

func (f *fake) Open(ctx context.Context, _ session.Shape, m session.Message) (*session.Stream, error) {
	_, err := f.serve(ctx, int(f.n.Add(1)), m)
	return nil, err
}

func (f *fake) calls() int { return int(f.n.Load()) }

// fails returns a fake whose first n calls fail with err; the others echo.
func fails(n int, err error) *fake {
	return &fake{serve: func(_ context.Context, k int, m session.Message) (session.Reply, error) {
		if k <= n {
			return session.Reply{}, err
		}
		return session.Reply{Payload: m.Payload}, nil
	}}
}

const always = 1 << 30

// answer is an echo.
func answer(m session.Message) (session.Reply, error) {
	return session.Reply{Payload: append([]byte{}, m.Payload...)}, nil
}

// after waits for a time, or for the end of ctx, and returns that.
func after(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return status.Convert(ctx.Err())
	}
}

// call calls "m" and wants the echo back.
func call(t *testing.T, ctx context.Context, c plexus.Caller, opts ...plexus.Option) error {
	t.Helper()
	out, err := plexus.Call[string](ctx, c, "m", "hello", opts...)
	if err == nil && out != "hello" {
		t.Errorf("the answer is %q", out)
	}
	return err
}

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, t.Context()) })
}

// Without policies everything passes as it is.
func TestNothingIsOnUnlessGiven(t *testing.T) {
	f := fails(1, status.Errorf(status.Unavailable, "away"))
	w := policy.Wrap(f, nil)
	if err := call(t, t.Context(), w); !errors.Is(err, status.Unavailable) || f.calls() != 1 {
		t.Errorf("%v after %d calls", err, f.calls())
	}
	if st := w.Stats(); st.Calls != 1 || st.Retries != 0 || len(st.Breakers) != 0 {
		t.Errorf("%+v", st)
	}
	if _, ok := w.State("m"); ok {
		t.Error("there is a breaker")
	}
}

// The first policy is the outermost: a Timeout inside a Retry is for each attempt, one around
// it for all of them.
func TestOrder(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		stuck := func() *fake {
			return &fake{serve: func(ctx context.Context, _ int, _ session.Message) (session.Reply, error) {
				<-ctx.Done()
				return session.Reply{}, status.Convert(ctx.Err())
			}}
		}
		retry, timeout := policy.Retry{Attempts: 3}, policy.Timeout{Max: time.Second}
		inner := stuck()
		err := call(t, ctx, policy.Wrap(inner, retry, timeout), plexus.WithIdempotent())
		if !errors.Is(err, status.DeadlineExceeded) || inner.calls() != 3 || policy.Attempts(err) != 3 {
			t.Errorf("inside: %v after %d calls", err, inner.calls())
		}
		outer := stuck()
		err = call(t, ctx, policy.Wrap(outer, timeout, retry), plexus.WithIdempotent())
		if !errors.Is(err, status.DeadlineExceeded) || outer.calls() != 1 || policy.Attempts(err) != 1 {
			t.Errorf("outside: %v after %d calls", err, outer.calls())
		}
	})
}

// A Wrapped serves many methods from many goroutines, more than it remembers.
func TestManyMethods(t *testing.T) {
	f := fails(0, nil)
	w := policy.Wrap(f, policy.Retry{}, policy.Hedge{}, policy.Breaker{}, policy.Limit{Calls: 8, Queue: 100, PerMethod: true}, policy.Timeout{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				if _, err := plexus.Call[string](t.Context(), w, "m"+string(rune('a'+g))+string(rune(0x4e00+i%600)), "x", plexus.WithIdempotent()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	st := w.Stats()
	if st.Calls != 8000 || len(st.Breakers) != 1025 {
		t.Errorf("%d calls, %d breakers", st.Calls, len(st.Breakers))
	}
	if b, ok := w.State("unheard of"); !ok || b.Method != "*" {
		t.Errorf("%+v", b)
	}
}

func TestTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var left time.Duration
		f := &fake{serve: func(ctx context.Context, _ int, m session.Message) (session.Reply, error) {
			left = 0
			if end, ok := ctx.Deadline(); ok {
				left = time.Until(end)
			}
			return answer(m)
		}}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		for _, c := range []struct {
			p    policy.Timeout
			ctx  context.Context
			want time.Duration
		}{
			{policy.Timeout{}, ctx, policy.DefaultTimeout},
			{policy.Timeout{}, short, time.Second},
			{policy.Timeout{Default: time.Minute}, short, time.Second},
			{policy.Timeout{Default: time.Minute, Max: 2 * time.Minute}, ctx, time.Minute},
			{policy.Timeout{Max: time.Minute}, ctx, time.Minute},
			{policy.Timeout{Max: time.Millisecond}, short, time.Millisecond},
			{policy.Timeout{Max: time.Minute}, short, time.Second},
		} {
			if err := call(t, c.ctx, policy.Wrap(f, c.p)); err != nil || left != c.want {
				t.Errorf("%+v: %v, %v left, want %v", c.p, err, left, c.want)
			}
		}
		late := &fake{serve: func(ctx context.Context, _ int, _ session.Message) (session.Reply, error) {
			return session.Reply{}, after(ctx, time.Hour)
		}}
		w := policy.Wrap(late, policy.Timeout{Max: 20 * time.Millisecond})
		err := call(t, ctx, w)
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "deadline_exceeded: there was no answer within 20ms" || w.Stats().Late != 1 {
			t.Errorf("%v, %+v", err, w.Stats())
		}
	})
}

func TestLimit(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var now, most atomic.Int64
		f := &fake{serve: func(ctx context.Context, _ int, m session.Message) (session.Reply, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			if err := after(ctx, time.Second); err != nil {
				return session.Reply{}, err
			}
			return answer(m)
		}}
		w := policy.Wrap(f, policy.Limit{Calls: 3, Queue: 2})
		var good, crowded atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				switch err := call(t, ctx, w); {
				case err == nil:
					good.Add(1)
				case errors.Is(err, status.Overloaded) && errors.Is(err, policy.ErrLimit) && status.Retryable(err):
					crowded.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if good.Load() != 5 || crowded.Load() != 5 || most.Load() != 3 || w.Stats().Crowded != 5 {
			t.Errorf("%d good, %d crowded, %d at a time", good.Load(), crowded.Load(), most.Load())
		}
		// Who waits for a place gives up with its context, and leaves no trace.
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		for range 3 {
			wg.Go(func() {
				if err := call(t, ctx, w); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := call(t, short, w); !errors.Is(err, status.DeadlineExceeded) || !status.Retryable(err) {
			t.Error(err)
		}
		wg.Wait()
		if err := call(t, ctx, w); err != nil {
			t.Error(err)
		}
		// Without a queue; each method by itself.
		w = policy.Wrap(f, policy.Limit{Calls: 1, Queue: -1, PerMethod: true})
		wg.Go(func() { call(t, ctx, w) })
		synctest.Wait()
		if err := call(t, ctx, w); !errors.Is(err, status.Overloaded) {
			t.Error(err)
		}
		if _, err := plexus.Call[string](ctx, w, "other", "x"); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// A future is under the policies, too: its payload is its own, and cancelling it ends what goes on.
func TestFuture(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		f := fails(2, status.Unavailable)
		w := policy.Wrap(f, policy.Retry{})
		echo := plexus.Bind[[]byte, []byte](w, "m")
		payload := []byte("hello")
		future := echo.Go(ctx, payload)
		copy(payload, "other")
		out, err := future.Wait(ctx)
		if err != nil || string(out) != "hello" || f.calls() != 3 || w.Stats().Retries != 2 {
			t.Errorf("%q, %v after %d", out, err, f.calls())
		}
		future.Cancel() // harmless after the end
		stuck := slow(new(atomic.Int64), time.Hour)
		future = plexus.Bind[[]byte, []byte](policy.Wrap(stuck, policy.Timeout{Max: time.Minute}), "m").Go(ctx, payload)
		synctest.Wait()
		began := time.Now()
		future.Cancel()
		<-future.Done()
		if _, err := future.Wait(ctx); !errors.Is(err, status.Cancelled) || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		stuck.n.Store(0)
		if _, err := plexus.Bind[[]byte, []byte](policy.Wrap(stuck), "m").Go(limited, payload).Wait(ctx); !errors.Is(err, status.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
