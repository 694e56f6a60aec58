// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/internal/backoff"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Retry makes calls again that have failed, where that is safe: those that have certainly not
// taken effect (status.Retryable), and of calls with plexus.WithIdempotent also those of which
// that is not known, because the other side has gone or an attempt of its own deadline was up.
// What will not be better the next time (no such method, not allowed, closed) is not tried again,
// nor is a call with a Loan, which is gone with the first sending, or with a codec that seals
// (package seal): its receiver takes no message a second time.
//
// It waits before each attempt: a random time with a bound that doubles, or as long as the error
// asks for (service.RetryAfter) if that is longer. An attempt that could only begin after the
// deadline of the caller is not waited for. The last error keeps its code and says how many attempts were
// made, see Attempts; it is safe to repeat only if that holds of every attempt.
type Retry struct {
	// Attempts is how many there are in all, 0 for DefaultAttempts.
	Attempts int
	// Base bounds the random wait before the second attempt, 0 for DefaultBase; it doubles up to
	// MaxDelay, 0 for DefaultMaxDelay.
	Base, MaxDelay time.Duration
	// MaxWait is the longest that an error may ask to wait, 0 for DefaultMaxWait: one that asks
	// for more is the last.
	MaxWait time.Duration
	// Budget bounds the further attempts, as a share of the calls of the last ten seconds, so
	// that they do not make worse what is bad: 0 is 0.1, below 0 no bound. Ten in ten seconds are
	// allowed in any case.
	Budget float64
	// Codes are tried again as well: status.Internal, say, of calls that are idempotent, and of
	// what is safe also what is otherwise taken for hopeless. status.UnknownMethod is, but not
	// where a server listens before it offers its methods.
	Codes []status.Code
}

// Defaults of Retry.
const (
	DefaultAttempts = 4
	DefaultBase     = 50 * time.Millisecond
	DefaultMaxDelay = 2 * time.Second
	DefaultMaxWait  = 30 * time.Second
)

func (r Retry) stage(w *Wrapped) stage {
	if r.Attempts <= 0 {
		r.Attempts = DefaultAttempts
	}
	orDuration(&r.Base, DefaultBase)
	orDuration(&r.MaxDelay, DefaultMaxDelay)
	orDuration(&r.MaxWait, DefaultMaxWait)
	r.Codes = slices.Clone(r.Codes)
	return &retries{
		cfg: r, counts: &w.counts, budget: newBudget(r.Budget),
		wait: backoff.Policy{Base: r.Base, Max: r.MaxDelay},
	}
}

func orDuration(d *time.Duration, otherwise time.Duration) {
	if *d <= 0 {
		*d = otherwise
	}
}

// retries is Retry at work.
type retries struct {
	cfg    Retry
	counts *counts
	budget *budget
	wait   backoff.Policy
}

func (r *retries) around(_ string, next session.Invoker) session.Invoker {
	return &retrying{r, next}
}

// retrying is Retry around one method.
type retrying struct {
	*retries
	next session.Invoker
}

// Call implements session.Invoker.
func (r *retrying) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	r.budget.call()
	rep, err := r.next.Call(ctx, m, dst)
	if err == nil || single(&m) {
		return rep, err
	}
	err = r.again(ctx, m.Idempotent, err, func() (err error) {
		rep, err = r.next.Call(ctx, m, dst)
		return err
	})
	return rep, err
}

// Open implements session.Invoker.
func (r *retrying) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	r.budget.call()
	x, err := r.next.Open(ctx, shape, m)
	if err == nil || single(&m) {
		return x, err
	}
	err = r.again(ctx, false, err, func() (err error) {
		x, err = r.next.Open(ctx, shape, m)
		return err
	})
	return x, err
}

// single reports whether a message can be sent only once: a Loan is gone then, and what is sealed
// is refused as a replay by who has opened it before.
func single(m *session.Message) bool { return m.Loan != nil || m.Codec == uint8(codec.IDSealed) }

// again makes further attempts after the first has failed with err, and returns the end of the
// last one.
func (r *retries) again(ctx context.Context, idempotent bool, err error, attempt func() error) error {
	unknown := !status.Retryable(err) // whether an attempt may have taken effect
	made := 1
	for ; made < r.cfg.Attempts && ctx.Err() == nil && r.worthwhile(err, idempotent); made++ {
		delay, ok := r.delay(ctx, err, made)
		if !ok {
			break
		}
		if !r.budget.take() {
			r.counts.unpaidRetries.Add(1)
			break
		}
		if !backoff.Wait(ctx, delay) {
			err = gaveUp(ctx, err)
			break
		}
		r.counts.retries.Add(1)
		if err = attempt(); err == nil {
			return nil
		}
		unknown = unknown || !status.Retryable(err)
	}
	return told(err, made, unknown)
}

// gaveUp is the end of a call whose caller did not wait for the next attempt, after one that
// failed with err.
func gaveUp(ctx context.Context, err error) error {
	e := &status.Error{Code: status.CodeOf(ctx.Err()), Message: "the caller gave up; before that: " + err.Error(), Err: err, Retry: status.RetryUnsafe}
	if status.Retryable(err) {
		e.Retry = status.RetrySafe
	}
	return e
}

// worthwhile reports whether a call that has failed with err is made again.
func (r *retries) worthwhile(err error, idempotent bool) bool {
	code := status.CodeOf(err)
	if slices.Contains(r.cfg.Codes, code) {
		return idempotent || status.Retryable(err)
	}
	if idempotent && (code == status.PeerGone || code == status.DeadlineExceeded) {
		return true
	}
	switch code { // safe, and of no use
	case status.UnknownMethod, status.WrongShape, status.Locked, status.Closed, status.Cancelled, status.InvalidArgument,
		status.PermissionDenied, status.Unauthenticated, status.Unsupported, status.Unimplemented, status.Protocol, status.TooLarge:
		return false
	}
	return status.Retryable(err)
}

// delay returns how long to wait after so many attempts; false says that it would be too long.
func (r *retries) delay(ctx context.Context, err error, made int) (time.Duration, bool) {
	asked := service.RetryAfter(err)
	d := max(r.wait.Delay(made-1), asked)
	if asked > r.cfg.MaxWait {
		return 0, false
	}
	end, bounded := ctx.Deadline()
	return d, !bounded || d < time.Until(end)
}

// attempts is the cause in an error that tells how many there were.
type attempts struct {
	made int
	err  error
}

// Error returns the last error's text.
func (a *attempts) Error() string { return a.err.Error() }

// Unwrap returns the last error.
func (a *attempts) Unwrap() error { return a.err }

// Attempts returns how many attempts of a Retry an error comes from, 1 if it does not say.
func Attempts(err error) int {
	if a, ok := errors.AsType[*attempts](err); ok {
		return a.made
	}
	return 1
}

// told returns err with the number of attempts. unknown says that one of them may have taken
// effect, whatever the last has to say.
func told(err error, made int, unknown bool) error {
	if made == 1 {
		return err
	}
	e := *status.Convert(err)
	if e.Message != "" {
		e.Message += " "
	}
	e.Message += fmt.Sprintf("(after %d attempts)", made)
	e.Err = &attempts{made, err}
	if unknown {
		e.Retry = status.RetryUnsafe
	}
	return &e
}
