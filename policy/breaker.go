// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Breaker makes no calls for a while after most have failed, so that callers are told at once and
// who is in trouble is left in peace (a circuit breaker). Each method has one of its own.
//
//	        share of failures reached            OpenFor is over
//	Closed ───────────────────────────▶ Open ───────────────────▶ HalfOpen
//	   ▲                                 ▲      a probe fails        │ │
//	   │                                 └───────────────────────────┘ │
//	   └───────────────────────────────────────────────────────────────┘
//	                              Probes succeed
//
// Calls are refused with status.Unavailable, which is safe to repeat, says when
// (service.RetryAfter) and is ErrOpen. An answer is no failure, whatever the handler says, unless
// its code is among Codes; a call that its caller gave up counts neither way.
type Breaker struct {
	// Failures is the share of calls that must have failed for it to open, 0 for DefaultFailures.
	Failures float64
	// MinCalls is of how many calls at least, 0 for DefaultMinCalls.
	MinCalls int
	// Window is over what time they are counted, 0 for DefaultWindow.
	Window time.Duration
	// OpenFor is how long it stays open, 0 for DefaultOpenFor. A probe that has no answer after that
	// time makes room for another.
	OpenFor time.Duration
	// Probes is how many calls are let through then at a time, and how many must succeed in a
	// row for it to close; 0 for one.
	Probes int
	// Codes are what counts as failure, nil for what says that the other side is not well:
	// NoProvider, PeerGone, Unavailable, Overloaded, Busy, DeadlineExceeded.
	Codes []status.Code
	// Shared has all methods share one breaker, named "*".
	Shared bool
	// OnState is told of each change, one after the other; nil for nobody. It is called by who
	// made the call that brought the change, and must not block.
	OnState func(BreakerState)
	// Log takes a line for each change, nil for none.
	Log *slog.Logger
}

// Defaults of Breaker.
const (
	DefaultFailures = 0.5
	DefaultMinCalls = 10
	DefaultWindow   = 10 * time.Second
	DefaultOpenFor  = 5 * time.Second
)

// ErrOpen and ErrLimit are what errors.Is finds in the error of a call that a Breaker or a Limit
// on this side has refused.
var (
	ErrOpen  = errors.New("the circuit breaker is open")
	ErrLimit = errors.New("the limit of calls is reached")
)

// Phase is in which state a breaker is.
type Phase uint8

// The phases.
const (
	Closed   Phase = iota // all calls pass
	HalfOpen              // some pass, to see how they end
	Open                  // none pass
)

// String returns the phase's name.
func (p Phase) String() string {
	switch p {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	}
	return "open"
}

// BreakerState tells about one breaker.
type BreakerState struct {
	Method  string // with the channel in front if there is one; "*" of one that methods share
	Phase   Phase
	Since   time.Time // when that began
	Until   time.Time // with Open: until when
	Calls   uint32    // in this phase, of the window: that have ended and count
	Failed  uint32    // … and failed. When it is told that it opens: those that made it
	Opened  uint64    // how many times it has opened
	Refused uint64    // how many calls it has refused
	Last    error     // the failure that made it open last, nil if it never did
}

func (b Breaker) stage(w *Wrapped) stage {
	if b.Failures <= 0 {
		b.Failures = DefaultFailures
	}
	if b.MinCalls <= 0 {
		b.MinCalls = DefaultMinCalls
	}
	if b.Probes <= 0 {
		b.Probes = 1
	}
	if b.Codes == nil {
		b.Codes = []status.Code{status.NoProvider, status.PeerGone, status.Unavailable, status.Overloaded, status.Busy, status.DeadlineExceeded}
	}
	orDuration(&b.Window, DefaultWindow)
	orDuration(&b.OpenFor, DefaultOpenFor)
	b.Codes = slices.Clone(b.Codes)
	return &breakers{cfg: b, w: w, all: make(map[string]*breaker)}
}

// breakers is Breaker at work.
type breakers struct {
	cfg Breaker
	w   *Wrapped

	mu  sync.Mutex
	all map[string]*breaker // by method
}

func (bs *breakers) around(method string, next session.Invoker) session.Invoker {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.cfg.Shared || bs.all[method] == nil && len(bs.all) >= maxMethods {
		method = overflow
	}
	b := bs.all[method]
	if b == nil {
		b = newBreaker(bs, method)
		bs.all[method] = b
	}
	return &breaking{b, next}
}

// states returns the states of all, by name.
func (bs *breakers) states() []BreakerState {
	bs.mu.Lock()
	all := slices.Collect(maps.Values(bs.all))
	bs.mu.Unlock()
	list := make([]BreakerState, 0, len(all))
	for _, b := range all {
		list = append(list, b.now())
	}
	slices.SortFunc(list, func(a, b BreakerState) int { return cmp.Compare(a.Method, b.Method) })
	return list
}

// state returns the state of a method's breaker.
func (bs *breakers) state(method string) (BreakerState, bool) {
	bs.mu.Lock()
	b := bs.all[method]
	if b == nil {
		b = bs.all[overflow]
	}
	bs.mu.Unlock()
	if b == nil {
		return BreakerState{}, false
	}
	return b.now(), true
}

// breaker is one of them: the counting and the phases are gobreaker's, the rest is ours.
type breaker struct {
	*breakers
	core *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu      sync.Mutex // taken under gobreaker's; never the other way round
	at      BreakerState
	last    error // the last failure
	news    []BreakerState
	telling bool
}

// newsBound is how many changes wait to be told; the oldest is given up for one more.
const newsBound = 64

// errStale frees the place of a probe that has no answer.
var errStale = errors.New("the probe has no answer")

func newBreaker(bs *breakers, method string) *breaker {
	cfg := &bs.cfg
	b := &breaker{breakers: bs}
	b.at = BreakerState{Method: bs.w.title(method), Since: time.Now()}
	b.core = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: uint32(min(cfg.Probes, 1<<20)), Interval: cfg.Window, BucketPeriod: max(cfg.Window/10, 1), Timeout: cfg.OpenFor,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			n := c.TotalSuccesses + c.TotalFailures
			yes := int64(n) >= int64(cfg.MinCalls) && float64(c.TotalFailures) >= cfg.Failures*float64(n)
			if yes {
				b.note(n, c.TotalFailures)
			}
			return yes
		},
		OnStateChange: func(_ string, _, to gobreaker.State) { b.change(to) },
		IsExcluded:    excluded,
		IsSuccessful:  func(err error) bool { return err == nil || !slices.Contains(cfg.Codes, status.CodeOf(err)) },
	})
	return b
}

// excluded reports whether an end says nothing about the other side.
func excluded(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, errStale) || errors.Is(err, ErrLimit) || errors.Is(err, ErrOpen) {
		return true
	}
	code := status.CodeOf(err)
	return code == status.Cancelled || code == status.Closed
}

// note keeps the counts that are about to open it.
func (b *breaker) note(calls, failed uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at.Calls, b.at.Failed = calls, failed
}

// change notes another phase, to be told after gobreaker has let go of its lock.
func (b *breaker) change(to gobreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := &b.at
	at.Since, at.Until = time.Now(), time.Time{}
	switch to {
	case gobreaker.StateClosed:
		at.Phase, at.Calls, at.Failed = Closed, 0, 0
	case gobreaker.StateHalfOpen:
		at.Phase, at.Calls, at.Failed = HalfOpen, 0, 0
	case gobreaker.StateOpen:
		if at.Phase == HalfOpen {
			at.Calls, at.Failed = 1, 1
		}
		at.Phase, at.Until = Open, at.Since.Add(b.cfg.OpenFor)
		at.Opened++
		at.Last = b.last
	}
	if len(b.news) >= newsBound {
		b.news = slices.Delete(b.news, 0, 1)
	}
	b.news = append(b.news, *at)
}

// tell tells what has not been told, in order, unless another does. It returns the phase.
func (b *breaker) tell() Phase {
	b.mu.Lock()
	phase := b.at.Phase
	for len(b.news) > 0 && !b.telling {
		st := b.news[0]
		b.news = slices.Delete(b.news, 0, 1)
		b.telling = true
		b.mu.Unlock()
		b.report(st)
		b.mu.Lock()
		b.telling = false
	}
	b.mu.Unlock()
	return phase
}

func (b *breaker) report(st BreakerState) {
	if b.cfg.Log != nil {
		attrs := []slog.Attr{slog.String("method", st.Method), slog.String("state", st.Phase.String())}
		level := slog.LevelInfo
		if st.Phase == Open {
			level = slog.LevelWarn
			attrs = append(attrs, slog.Uint64("calls", uint64(st.Calls)), slog.Uint64("failed", uint64(st.Failed)), slog.Duration("for", b.cfg.OpenFor))
			if st.Last != nil {
				attrs = append(attrs, slog.String("last", st.Last.Error()))
			}
		}
		b.cfg.Log.LogAttrs(context.Background(), level, "circuit breaker", attrs...)
	}
	if b.cfg.OnState != nil {
		b.cfg.OnState(st)
	}
}

// now returns the present state.
func (b *breaker) now() BreakerState {
	b.core.State() // it may be half-open by now
	c := b.core.Counts()
	b.tell()
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.at
	if st.Phase != Open {
		st.Calls, st.Failed = c.TotalSuccesses+c.TotalFailures, c.TotalFailures
	}
	return st
}

// allow lets a call pass, whose end is then to be told to done, or says why not.
func (b *breaker) allow() (done func(error), err error) {
	finish, err := b.core.Allow()
	phase := b.tell()
	if err != nil {
		return nil, b.refuse()
	}
	if phase != HalfOpen {
		return func(err error) { b.end(finish, err) }, nil
	}
	t := time.AfterFunc(b.cfg.OpenFor, func() { finish(errStale) })
	return func(err error) {
		t.Stop()
		b.end(finish, err)
	}, nil
}

// end counts the end of a call.
func (b *breaker) end(finish func(error), err error) {
	if err != nil && !excluded(err) {
		b.mu.Lock()
		b.last = err
		b.mu.Unlock()
	}
	finish(err)
	b.tell()
}

// refuse counts a refused call and says why it is.
func (b *breaker) refuse() error {
	b.w.counts.refused.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at.Refused++
	e := &status.Error{Code: status.Unavailable, Retry: status.RetrySafe, Err: ErrOpen}
	if b.at.Phase != Open {
		e.Message = fmt.Sprintf("the circuit breaker of %q waits for the end of a probe", b.at.Method)
		return e
	}
	wait := max(time.Until(b.at.Until), 0) + time.Millisecond // at the very end it is still open
	e.Message = fmt.Sprintf("the circuit breaker of %q is open for %v more: %d of %d calls failed, the last with %v",
		b.at.Method, wait.Round(time.Millisecond), b.at.Failed, b.at.Calls, b.at.Last)
	e.Details, _ = json.Marshal(operation.Backoff{RetryAfter: wait.Seconds()}) // never fails
	return e
}

// breaking is a breaker around one method.
type breaking struct {
	*breaker
	next session.Invoker
}

// Call implements session.Invoker.
func (b *breaking) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	done, err := b.allow()
	if err != nil {
		return session.Reply{}, err
	}
	rep, err := b.next.Call(ctx, m, dst)
	done(err)
	return rep, err
}

// Open implements session.Invoker.
func (b *breaking) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	done, err := b.allow()
	if err != nil {
		return nil, err
	}
	x, err := b.next.Open(ctx, shape, m)
	done(err)
	return x, err
}
