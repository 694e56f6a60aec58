// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// maxSlow is how many operations on dead letters run at a time.
const maxSlow = 4

// errNoLetters is what operations on dead letters are answered with where there are none.
var errNoLetters = &status.Error{Code: status.Unimplemented, Message: "this hub keeps no dead letters (plexus serve --dead-letters)"}

// errChanging is what a replay or purge is answered with while there is another.
var errChanging = &status.Error{Code: status.Overloaded, Message: "dead letters are being replayed or purged: try again later"}

// slowly makes an operation for administrators of a function that waits for the disk: it runs on
// a goroutine of the hub, until ctx ends: when the caller gives up, or its time is up.
func slowly[In, Out any](f func(m *Member, ctx context.Context, in In) (Out, error)) func(*Member, *session.Call) {
	return func(m *Member, c *session.Call) {
		var in In
		err := decode(c, &in, wire.Unary)
		if err == nil {
			err = m.administers()
		}
		d := m.hub.dead
		if err == nil && d == nil {
			err = errNoLetters
		}
		if err == nil {
			select {
			case d.slots <- struct{}{}:
			default:
				err = status.Errorf(status.Overloaded, "%d operations on dead letters are under way: try again later", maxSlow)
			}
		}
		if err != nil {
			c.Fail(err)
			return
		}
		left := c.Remaining()
		if left == 0 {
			left = receiptTime
		}
		ctx, cancel := context.WithTimeout(context.Background(), left)
		s, id := m.s, c.ID
		if !c.Detach(giveUp{cancel}) {
			cancel()
			<-d.slots
			return
		}
		m.hub.slow.Go(func() {
			defer cancel()
			out, err := f(m, ctx, in)
			<-d.slots
			if err != nil {
				s.Refuse(id, err)
			} else {
				s.Answer(id, bodyOf(out))
			}
			s.FlushNow()
		})
	}
}

// giveUp is a session.Canceller.
type giveUp struct{ cancel context.CancelFunc }

// Cancelled implements session.Canceller. The answer comes when the operation has noticed.
func (g giveUp) Cancelled(*status.Error) { g.cancel() }

func (m *Member) listDeadLetters(ctx context.Context, in operation.DeadLetterQuery) (operation.DeadLetterList, error) {
	out, err := m.hub.dead.desk().List(ctx, in)
	out.Stats = *m.hub.dead.stats()
	return out, err
}

func (m *Member) showDeadLetter(ctx context.Context, in operation.DeadLetterRef) (operation.DeadLetter, error) {
	return m.hub.dead.desk().Show(ctx, in.ID)
}

func (m *Member) purgeDeadLetters(ctx context.Context, in operation.DeadLetterFilter) (out operation.DeadLetterPurged, err error) {
	d := m.hub.dead
	if !d.changing.TryLock() {
		return out, errChanging
	}
	defer d.changing.Unlock()
	out.Removed, err = d.desk().Purge(ctx, in)
	d.purged.Add(uint64(out.Removed))
	m.hub.cfg.Log.Info("dead letters purged", "hub", m.hub.cfg.ID, "by", m.id, "letters", out.Removed)
	return out, err
}

// desk looks into the store.
func (d *deadLetters) desk() *deadletter.Desk {
	return &deadletter.Desk{Store: d.keep.Store, Now: d.h.cfg.Now}
}
