// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// patient serves calls with what the test says at the moment.
type patient struct {
	*fake
	mu  sync.Mutex
	err error
}

func newPatient() *patient {
	p := &patient{}
	p.fake = &fake{serve: func(_ context.Context, _ int, m session.Message) (session.Reply, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err != nil {
			return session.Reply{}, p.err
		}
		return answer(m)
	}}
	return p
}

func (p *patient) says(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// A breaker's life: it opens at the share of failures, refuses with the time that is left, tries
// a probe, opens again, and closes after one that succeeds.
func TestBreaker(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		p, log := newPatient(), &strings.Builder{}
		var told []policy.BreakerState
		w := policy.Wrap(named{p, "math"}, policy.Breaker{
			OnState: func(s policy.BreakerState) { told = append(told, s) }, Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		for range 4 {
			call(t, ctx, w)
		}
		p.says(status.Errorf(status.PeerGone, "gone"))
		for range 20 {
			call(t, ctx, w)
		}
		if p.calls() != 10 {
			t.Errorf("%d calls before it opened", p.calls())
		}
		st, _ := w.State("m")
		if st.Phase != policy.Open || st.Method != "math/m" || st.Calls != 10 || st.Failed != 6 || st.Opened != 1 || st.Refused != 14 || !errors.Is(st.Last, status.PeerGone) {
			t.Errorf("%+v", st)
		}
		after(ctx, time.Second)
		err := call(t, ctx, w)
		if !errors.Is(err, status.Unavailable) || !errors.Is(err, policy.ErrOpen) || !status.Retryable(err) {
			t.Error(err)
		}
		if d := service.RetryAfter(err); d < 4*time.Second || d > 4*time.Second+10*time.Millisecond {
			t.Error("to be tried again after", d)
		}
		if want := `unavailable: the circuit breaker of "math/m" is open for 4.001s more: 6 of 10 calls failed, the last with peer_gone: gone`; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		after(ctx, 4001*time.Millisecond)
		if call(t, ctx, w); p.calls() != 11 { // the probe fails
			t.Errorf("%d calls", p.calls())
		}
		if call(t, ctx, w); p.calls() != 11 {
			t.Errorf("%d calls", p.calls())
		}
		p.says(nil)
		after(ctx, 5001*time.Millisecond)
		for range 20 {
			if err := call(t, ctx, w); err != nil {
				t.Error(err)
			}
		}
		var phases []string
		for _, s := range told {
			phases = append(phases, s.Phase.String())
		}
		if got := strings.Join(phases, " "); got != "open half-open open half-open closed" {
			t.Error(got)
		}
		if told[0].Failed != 6 || told[2].Opened != 2 {
			t.Errorf("%+v", told)
		}
		if n := strings.Count(log.String(), "circuit breaker"); n != 5 || !strings.Contains(log.String(), `level=WARN msg="circuit breaker" method=math/m state=open calls=10 failed=6 for=5s last="peer_gone: gone"`) {
			t.Error(log.String())
		}
		if s := w.Stats(); s.Refused != 16 || len(s.Breakers) != 1 || s.Breakers[0].Phase != policy.Closed || s.Breakers[0].Calls != 19 {
			t.Errorf("%+v", s)
		}
	})
}

// named gives a Caller the name of a channel.
type named struct {
	plexus.Caller
	name string
}

func (n named) Name() string { return n.name }

// Answers are no failures, whatever they say, and who gives up says nothing.
func TestBreakerCounts(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			err   error
			opens bool
		}{
			{status.Failed, false}, {status.InvalidArgument, false}, {status.PermissionDenied, false}, {status.LimitExceeded, false},
			{status.Cancelled, false}, {status.Closed, false}, {policy.ErrLimit, false},
			{status.PeerGone, true}, {status.Unavailable, true}, {status.Overloaded, true}, {status.NoProvider, true}, {status.DeadlineExceeded, true},
		} {
			p := newPatient()
			p.says(c.err)
			w := policy.Wrap(p, policy.Breaker{})
			for range 30 {
				call(t, ctx, w)
			}
			if opens := p.calls() < 30; opens != c.opens {
				t.Errorf("%v: opens is %v after %d calls", c.err, opens, p.calls())
			}
		}
		// Calls that were given up do not water down those that failed.
		p := newPatient()
		diluted := policy.Wrap(p, policy.Breaker{})
		for _, err := range []error{status.Cancelled, status.Unavailable} {
			p.says(err)
			for range 30 {
				call(t, ctx, diluted)
			}
		}
		if p.calls() != 40 {
			t.Errorf("it opened after %d calls", p.calls())
		}
		p = newPatient()
		p.says(status.Internal)
		w := policy.Wrap(p, policy.Breaker{Codes: []status.Code{status.Internal}, MinCalls: 3, Failures: 1})
		for range 30 {
			call(t, ctx, w)
		}
		if p.calls() != 3 {
			t.Errorf("codes of its own: %d calls", p.calls())
		}
	})
}

// Failures that are older than the window do not count.
func TestBreakerWindow(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		p := newPatient()
		p.says(status.Unavailable)
		w := policy.Wrap(p, policy.Breaker{Window: time.Second})
		for range 50 {
			call(t, ctx, w)
			after(ctx, 150*time.Millisecond)
		}
		if p.calls() != 50 {
			t.Errorf("it opened after %d calls, of which there were never ten in a second", p.calls())
		}
	})
}

// Each method has its own, or all share one.
func TestBreakerPerMethod(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		for _, shared := range []bool{false, true} {
			p := newPatient()
			p.says(status.Unavailable)
			w := policy.Wrap(p, policy.Breaker{Shared: shared})
			for range 10 {
				call(t, ctx, w)
			}
			p.says(nil)
			_, err := plexus.Call[string](ctx, w, "other", "x")
			if shared != errors.Is(err, policy.ErrOpen) {
				t.Errorf("shared %v: %v", shared, err)
			}
			if st, ok := w.State("other"); !ok || (st.Method == "*") != shared {
				t.Errorf("%+v", st)
			}
		}
	})
}

// Half-open, so many pass at a time; a probe that hangs makes room after OpenFor.
func TestBreakerProbes(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		hang, begun := make(chan struct{}), 0
		f := &fake{serve: func(_ context.Context, n int, m session.Message) (session.Reply, error) {
			if n <= 10 {
				return session.Reply{}, status.Unavailable
			}
			if begun++; begun <= 2 {
				<-hang
			}
			return answer(m)
		}}
		w := policy.Wrap(f, policy.Breaker{Probes: 2})
		for range 10 {
			call(t, ctx, w)
		}
		after(ctx, 5001*time.Millisecond)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { call(t, ctx, w) })
			synctest.Wait()
		}
		if err := call(t, ctx, w); !errors.Is(err, policy.ErrOpen) || service.RetryAfter(err) != 0 {
			t.Error(err)
		}
		after(ctx, 5001*time.Millisecond)
		for range 2 {
			if err := call(t, ctx, w); err != nil {
				t.Error("no room for another probe:", err)
			}
		}
		if st, _ := w.State("m"); st.Phase != policy.Closed {
			t.Errorf("%+v", st)
		}
		close(hang)
		wg.Wait()
	})
}

// Together: a retry waits until the breaker lets its call through, if its time allows.
func TestRetryAroundBreaker(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		p := newPatient()
		p.says(status.Unavailable)
		w := policy.Wrap(p, policy.Retry{}, policy.Breaker{})
		for range 5 {
			call(t, ctx, w)
		}
		p.says(nil)
		began := time.Now()
		if err := call(t, ctx, w); err != nil || time.Since(began) > 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		p.says(status.Unavailable)
		for range 30 {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			if err := call(t, limited, w); !status.Retryable(err) {
				t.Error(err)
			}
			cancel()
		}
		if st, _ := w.State("m"); st.Phase != policy.Open {
			t.Errorf("%+v", st)
		}
	})
}

// The opening of streams goes by the breaker, too.
func TestBreakerOpens(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		p := newPatient()
		p.says(status.Unavailable)
		x := policy.Wrap(p, policy.Breaker{}, policy.Limit{}, policy.Timeout{}).Method("m")
		for range 20 {
			x.Open(ctx, 0, session.Message{})
		}
		if p.calls() != 10 {
			t.Errorf("%d were opened", p.calls())
		}
	})
}

// What changes while somebody is told is told after that, in order.
func TestBreakerTellsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		p := newPatient()
		p.says(status.Unavailable)
		told := make(chan string, 9)
		w := policy.Wrap(p, policy.Breaker{MinCalls: 1, OpenFor: time.Second, OnState: func(s policy.BreakerState) {
			after(ctx, 5*time.Second)
			told <- s.Phase.String()
		}})
		var wg sync.WaitGroup
		wg.Go(func() { call(t, ctx, w) })
		after(ctx, 2*time.Second)
		p.says(nil)
		if err := call(t, ctx, w); err != nil {
			t.Error(err)
		}
		if st, _ := w.State("m"); st.Phase != policy.Closed || len(told) != 0 {
			t.Errorf("%+v, %d told", st, len(told))
		}
		wg.Wait()
		for _, want := range []string{"open", "half-open", "closed"} {
			if got := <-told; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
}

// Many callers at once, in real time: what is told fits together.
func TestBreakerRace(t *testing.T) {
	p := newPatient()
	var last policy.Phase
	opened := 0
	w := policy.Wrap(p, policy.Breaker{OpenFor: time.Millisecond, OnState: func(s policy.BreakerState) {
		if s.Phase == last {
			t.Errorf("%v twice", s.Phase)
		}
		if last = s.Phase; last == policy.Open {
			opened++
		}
	}})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 3000 {
				if g == 0 && i%100 == 0 {
					p.says([]error{nil, status.Unavailable}[i/100%2])
				}
				call(t, t.Context(), w)
				if g == 1 {
					w.Stats()
				}
			}
		})
	}
	wg.Wait()
	st := w.Stats()
	if uint64(p.calls())+st.Refused != st.Calls {
		t.Errorf("%d passed, %d refused of %d", p.calls(), st.Refused, st.Calls)
	}
	if uint64(opened) != st.Breakers[0].Opened {
		t.Errorf("told %d times of %d", opened, st.Breakers[0].Opened)
	}
}
