// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// letter is a request that is sent by somebody who must not wait.
type letter struct {
	shape   wire.Shape
	flags   wire.Flags
	msg     session.Message
	expires time.Time // zero: never
}

// mail sends a letter without waiting: if there is no room in the provider's outbox a
// goroutine of the hub does, as long as the letter's time and the session last. then is
// called with what came of it; its result is returned if that was at once, else false.
func (h *Hub) mail(o *offer, l *letter, w waiter, then func(callee uint32, err error, slowly bool) bool) bool {
	if !l.expires.IsZero() {
		left := time.Until(l.expires)
		if left <= 0 {
			return then(0, &status.Error{Code: status.DeadlineExceeded, Message: "the time was up while the call waited at the hub"}, false)
		}
		l.msg.Deadline = uint32(min(left.Microseconds()+1, 1<<32-1))
	}
	if len(l.msg.Payload) <= lump && !o.m.s.Full() {
		callee, err := o.route.StartStream(impatient{context.Background()}, l.shape, l.flags, l.msg, w)
		if status.CodeOf(err) != status.Cancelled {
			return then(callee, err, false)
		}
	}
	h.slow.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		if !l.expires.IsZero() {
			ctx, cancel = context.WithDeadline(context.Background(), l.expires)
		}
		defer cancel()
		if w.waits(cancel) {
			cancel()
		}
		callee, err := o.route.StartStream(ctx, l.shape, l.flags, l.msg, w)
		then(callee, err, true)
	})
	return false
}

// impatient is a context for functions that may have to wait: it ends as soon as they would.
type impatient struct{ context.Context }

// atOnce is closed.
var atOnce = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done implements context.Context.
func (impatient) Done() <-chan struct{} { return atOnce }
