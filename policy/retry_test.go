// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Only what is safe is tried again; of idempotent calls also what may have taken effect; never
// what is of no use.
func TestRetryWhatIsSafe(t *testing.T) {
	safe := func(c status.Code) error { return &status.Error{Code: c, Retry: status.RetrySafe} }
	unsafe := func(c status.Code) error { return &status.Error{Code: c, Retry: status.RetryUnsafe} }
	for _, c := range []struct {
		err               error
		plain, idempotent bool
	}{
		{status.Unavailable, true, true},
		{status.NoProvider, true, true},
		{status.Overloaded, true, true},
		{status.Busy, true, true},
		{unsafe(status.Unavailable), false, false},
		{status.PeerGone, false, true},
		{safe(status.PeerGone), true, true},
		{status.DeadlineExceeded, false, true},
		{status.LimitExceeded, false, false},
		{safe(status.LimitExceeded), true, true},
		{status.Failed, false, false},
		{safe(status.Failed), true, true},
		{status.Internal, false, true}, // named below
		{status.UnknownMethod, false, false},
		{status.WrongShape, false, false},
		{status.Locked, false, false},
		{safe(status.Closed), false, false},
		{safe(status.PermissionDenied), false, false},
		{status.InvalidArgument, false, false},
		{errors.New("x"), false, false},
		{status.AlreadyExists, false, false},
		{status.Unsupported, false, true}, // named below, and not safe
		{safe(status.Unsupported), true, true},
	} {
		bubble(t, func(t *testing.T, ctx context.Context) {
			for _, idempotent := range []bool{false, true} {
				f := fails(2, c.err)
				w := policy.Wrap(f, policy.Retry{Codes: []status.Code{status.Internal, status.Unsupported}})
				want, opts := c.plain, []plexus.Option(nil)
				if idempotent {
					want, opts = c.idempotent, []plexus.Option{plexus.WithIdempotent()}
				}
				err := call(t, ctx, w, opts...)
				if again := f.calls() > 1; again != want || again != (err == nil) {
					t.Errorf("%v, idempotent %v: %d calls, %v", c.err, idempotent, f.calls(), err)
				}
			}
		})
	}
}

// The last error tells the attempts, keeps its code and cause, and is not called safe if an
// attempt before it was not.
func TestRetryTellsAttempts(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		cause := errors.New("the cable")
		f := &fake{serve: func(_ context.Context, n int, _ session.Message) (session.Reply, error) {
			if n == 2 {
				return session.Reply{}, status.Errorf(status.PeerGone, "gone")
			}
			return session.Reply{}, status.Errorf(status.Unavailable, "away: %w", cause)
		}}
		w := policy.Wrap(f, policy.Retry{})
		err := call(t, ctx, w, plexus.WithIdempotent())
		if policy.Attempts(err) != 4 || !errors.Is(err, status.Unavailable) || !errors.Is(err, cause) || status.Retryable(err) {
			t.Errorf("%v: %d attempts, retryable %v", err, policy.Attempts(err), status.Retryable(err))
		}
		if want := "unavailable: away: the cable (after 4 attempts)"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		if st := w.Stats(); st.Calls != 1 || st.Retries != 3 {
			t.Errorf("%+v", st)
		}
		first := call(t, ctx, policy.Wrap(fails(1, status.Failed), policy.Retry{}))
		if policy.Attempts(first) != 1 || strings.Contains(first.Error(), "attempts") {
			t.Error(first)
		}
		if policy.Attempts(nil) != 1 {
			t.Error("no error has attempts")
		}
	})
}

// The waits are random, bounded, and double; an error that asks for longer gets it.
func TestRetryWaits(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		var at []time.Duration
		began := time.Now()
		var asked time.Duration
		f := &fake{serve: func(context.Context, int, session.Message) (session.Reply, error) {
			at = append(at, time.Since(began))
			e := &status.Error{Code: status.Overloaded}
			if asked > 0 {
				e.Details, _ = json.Marshal(operation.Backoff{RetryAfter: asked.Seconds()})
			}
			return session.Reply{}, e
		}}
		p := policy.Retry{Attempts: 6, Base: 100 * time.Millisecond, MaxDelay: 300 * time.Millisecond}
		different := map[time.Duration]bool{}
		for range 20 {
			at, began = nil, time.Now()
			call(t, ctx, policy.Wrap(f, p))
			if len(at) != 6 {
				t.Fatalf("%d attempts", len(at))
			}
			for i, ms := range []int{100, 200, 300, 300, 300} {
				bound := time.Duration(ms) * time.Millisecond
				if d := at[i+1] - at[i]; d > bound {
					t.Errorf("wait %d is %v", i, d)
				}
			}
			different[at[1]] = true
		}
		if len(different) < 5 {
			t.Errorf("only %d different waits", len(different))
		}
		at, began, asked = nil, time.Now(), 7*time.Second
		call(t, ctx, policy.Wrap(f, p))
		if len(at) != 6 || at[5] != 35*time.Second {
			t.Errorf("asked for 7s: %v", at)
		}
		at, began, asked = nil, time.Now(), 31*time.Second
		call(t, ctx, policy.Wrap(f, p))
		if len(at) != 1 {
			t.Errorf("asked for more than MaxWait: %v", at)
		}
	})
}

// What could only begin after the caller's deadline is not waited for; who gives up meanwhile is
// told at once.
func TestRetryDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		e := &status.Error{Code: status.Unavailable, Details: []byte(`{"retry_after_seconds":1}`)}
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, 2500*time.Millisecond)
		defer cancel()
		f := fails(always, e)
		err := call(t, limited, policy.Wrap(f, policy.Retry{Attempts: 100}))
		if !errors.Is(err, status.Unavailable) || f.calls() != 3 || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %d calls and %v", err, f.calls(), time.Since(began))
		}
		limited, cancel = context.WithCancel(ctx)
		time.AfterFunc(500*time.Millisecond, cancel)
		began = time.Now()
		f = fails(always, e)
		err = call(t, limited, policy.Wrap(f, policy.Retry{}))
		if !errors.Is(err, context.Canceled) || f.calls() != 1 || time.Since(began) != 500*time.Millisecond || !status.Retryable(err) {
			t.Errorf("%v after %d calls and %v", err, f.calls(), time.Since(began))
		}
	})
}

// Where everything fails, a tenth more is sent, not four times as much; the budget comes back
// with the calls.
func TestRetryBudget(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		f := fails(always, status.Unavailable)
		w := policy.Wrap(f, policy.Retry{Base: time.Nanosecond})
		for range 1000 {
			call(t, ctx, w)
		}
		if n := f.calls(); n < 1090 || n > 1110 {
			t.Errorf("%d calls were sent for 1000", n)
		}
		st := w.Stats()
		if st.Retries != uint64(f.calls()-1000) || st.RetriesRefused == 0 {
			t.Errorf("%+v", st)
		}
		after(ctx, 11*time.Second)
		f.n.Store(0)
		call(t, ctx, w)
		if f.calls() != 4 {
			t.Errorf("after the window: %d calls", f.calls())
		}
		f.n.Store(0)
		w = policy.Wrap(f, policy.Retry{Base: time.Nanosecond, Budget: -1})
		for range 100 {
			call(t, ctx, w)
		}
		if f.calls() != 400 {
			t.Errorf("without a budget: %d calls", f.calls())
		}
	})
}

// The opening of a stream is tried again, and never one that may have taken effect.
func TestRetryOpens(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		f := fails(2, status.Unavailable)
		w := policy.Wrap(f, policy.Retry{})
		if _, err := w.Method("m").Open(ctx, 0, session.Message{}); err != nil || f.calls() != 3 {
			t.Errorf("%v after %d", err, f.calls())
		}
		f = fails(2, status.PeerGone)
		if _, err := policy.Wrap(f, policy.Retry{}).Method("m").Open(ctx, 0, session.Message{Idempotent: true}); err == nil || f.calls() != 1 {
			t.Errorf("%v after %d", err, f.calls())
		}
	})
}

// A loan is gone with the first sending.
func TestRetryKeepsOffLoans(t *testing.T) {
	f := fails(1, status.Unavailable)
	_, err := plexus.Call[string](t.Context(), policy.Wrap(f, policy.Retry{}, policy.Hedge{Delay: 1}), "m", session.CopyLoan([]byte("x")), plexus.WithCodec(codec.Raw{}), plexus.WithIdempotent())
	if !errors.Is(err, status.Unavailable) || f.calls() != 1 {
		t.Errorf("%v after %d", err, f.calls())
	}
}
