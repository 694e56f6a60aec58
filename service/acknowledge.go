// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"encoding/json"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// WithReceipt makes plexus.Publish wait until it is known who got the publication, and fills r
// in: see operation.Receipt. A receiver has got it when its program has taken it. Publish
// then returns nil also if somebody missed it, or nobody had subscribed: r says so. It waits
// no longer than its context, whose deadline the hub knows, or ten seconds without one;
// receivers that have not answered by then are named as such. A direct peer acknowledges
// nothing: status.Unimplemented.
func WithReceipt(r *operation.Receipt) Option { return func(o *Options) { o.Receipt = r } }

// Acknowledger is what the handle of a topic may also be.
type Acknowledger interface {
	// Acknowledge publishes m and waits for the Receipt.
	Acknowledge(ctx context.Context, m session.Message) (operation.Receipt, error)
}

// Emit sends m by a handle, and waits for the Receipt if that is wanted.
func (o *Options) Emit(ctx context.Context, to session.Emitter, m session.Message) error {
	if o.Receipt == nil {
		return to.Emit(ctx, m)
	}
	a, ok := to.(Acknowledger)
	if !ok {
		return errReceipt
	}
	var err error
	*o.Receipt, err = a.Acknowledge(ctx, m)
	return err
}

var errReceipt = &status.Error{Code: status.Unimplemented, Message: "a direct peer acknowledges no publications: that takes a hub (hub.New, plexus serve)"}

// margin is how much earlier than the publisher's own deadline the hub answers: so that the
// publisher learns who has answered by then.
func margin(left time.Duration) time.Duration { return min(left/4, 100*time.Millisecond) }

// Acknowledge implements Acknowledger. It is a lane of its own.
func (p *publisher) Acknowledge(ctx context.Context, m session.Message) (operation.Receipt, error) {
	var r operation.Receipt
	at, err := p.acked.now(ctx)
	if err != nil {
		return r, err
	}
	if !at.hub {
		return r, errReceipt
	}
	if d, ok := ctx.Deadline(); ok {
		left := time.Until(d)
		m.Deadline = uint32(min(max((left-margin(left)).Microseconds(), 1), 1<<32-1))
	}
	m.Sequence = p.sequence.Add(1)
	rep, err := at.route.Call(ctx, m, nil)
	if err != nil && p.acked.repeats(ctx, at.route, &m, err) { // it was certainly not sent
		if at, err = p.acked.now(ctx); err == nil {
			rep, err = at.route.Call(ctx, m, nil)
		}
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(rep.Payload, &r); err != nil {
		return r, status.Errorf(status.Protocol, "receipt of a publication: %w", err)
	}
	return r, nil
}
