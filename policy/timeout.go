// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Timeout bounds the time of calls. The deadline travels: the handler's context has it, too. It
// does not bound streams.
type Timeout struct {
	// Default is for calls whose context has no deadline. With neither Default nor Max it is
	// DefaultTimeout.
	Default time.Duration
	// Max is for all calls, 0 for none: the earlier deadline holds. Inside a Retry it bounds each
	// attempt.
	Max time.Duration
}

// DefaultTimeout is the Default of a Timeout that says nothing.
const DefaultTimeout = 30 * time.Second

func (t Timeout) stage(w *Wrapped) stage {
	if t.Default <= 0 && t.Max <= 0 {
		t.Default = DefaultTimeout
	}
	return &timeouts{t, &w.counts}
}

// timeouts is Timeout at work.
type timeouts struct {
	cfg    Timeout
	counts *counts
}

func (t *timeouts) around(_ string, next session.Invoker) session.Invoker { return &timing{t, next} }

// timing is Timeout around one method.
type timing struct {
	*timeouts
	next session.Invoker
}

// Call implements session.Invoker.
func (t *timing) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	d := t.bound(ctx)
	if d <= 0 {
		return t.next.Call(ctx, m, dst)
	}
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	rep, err := t.next.Call(limited, m, dst)
	if err != nil && ctx.Err() == nil && status.CodeOf(err) == status.DeadlineExceeded && isUp(limited) {
		t.counts.late.Add(1)
		e := *status.Convert(err)
		e.Message = "there was no answer within " + d.String()
		e.Err = err
		return rep, &e
	}
	return rep, err
}

// isUp reports whether the time of ctx is up, or as good as: a handler, who has the same deadline,
// may be the first to say so.
func isUp(ctx context.Context) bool {
	end, _ := ctx.Deadline()
	return time.Until(end) < time.Millisecond
}

// bound returns the time for a call, 0 for none but its own.
func (t *timeouts) bound(ctx context.Context) time.Duration {
	d := t.cfg.Max
	end, bounded := ctx.Deadline()
	if !bounded && t.cfg.Default > 0 && (d <= 0 || t.cfg.Default < d) {
		return t.cfg.Default
	}
	if bounded && d > 0 && time.Until(end) <= d {
		return 0
	}
	return d
}

// Open implements session.Invoker.
func (t *timing) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	return t.next.Open(ctx, shape, m)
}
