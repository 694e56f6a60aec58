// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"slices"

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

// each calls f with the letters that a filter chooses, in their order, until it returns false.
func (d *deadLetters) each(ctx context.Context, q *operation.DeadLetterFilter, after uint64, f func(r *deadletter.Record) bool) error {
	now, n := d.h.cfg.Now(), 0
	look := func(r *deadletter.Record) (more bool) {
		if n++; n%256 == 0 && ctx.Err() != nil {
			return false
		}
		return !deadletter.Chosen(q, r, now) || f(r)
	}
	if len(q.IDs) == 0 {
		if err := d.keep.Store.Scan(after, look); err != nil {
			return err
		}
		return ctx.Err()
	}
	ids := slices.Clone(q.IDs)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if id == 0 || id <= after {
			continue
		}
		more := true
		err := d.keep.Store.Scan(id-1, func(r *deadletter.Record) bool {
			if r.ID == id {
				more = look(r)
			}
			return false
		})
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

// maxListed is about how many bytes the letters of one answer have: a few fit into every message.
const maxListed = 1 << 20

func (m *Member) listDeadLetters(ctx context.Context, in operation.DeadLetterQuery) (out operation.DeadLetterList, err error) {
	d := m.hub.dead
	if err := deadletter.CheckFilter(&in.DeadLetterFilter, false); err != nil {
		return out, err
	}
	limit := in.Limit
	switch {
	case limit <= 0:
		limit = 100
	case limit > operation.MaxDeadLetterPage:
		return out, status.Errorf(status.InvalidArgument, "%d dead letters are asked for, at most %d are told at a time", limit, operation.MaxDeadLetterPage)
	}
	out.Letters = []operation.DeadLetter{}
	size := 0
	err = d.each(ctx, &in.DeadLetterFilter, in.After, func(r *deadletter.Record) bool {
		if len(out.Letters) == limit || size > maxListed {
			out.Next = out.Letters[len(out.Letters)-1].ID
			return false
		}
		size += r.Size() - len(r.Payload)
		out.Letters = append(out.Letters, r.Tell(false))
		return true
	})
	out.Stats = *d.stats()
	return out, err
}

func (m *Member) showDeadLetter(ctx context.Context, in operation.DeadLetterRef) (out operation.DeadLetter, err error) {
	one := operation.DeadLetterFilter{IDs: []uint64{in.ID}}
	found := false
	err = m.hub.dead.each(ctx, &one, 0, func(r *deadletter.Record) bool {
		out, found = r.Tell(true), true
		return false
	})
	if err == nil && !found {
		err = status.Errorf(status.NotFound, "there is no dead letter %d", in.ID)
	}
	return out, err
}

// purgeStep is how many letters are removed in one change of the store.
const purgeStep = 4096

func (m *Member) purgeDeadLetters(ctx context.Context, in operation.DeadLetterFilter) (out operation.DeadLetterPurged, err error) {
	d := m.hub.dead
	if err := deadletter.CheckFilter(&in, true); err != nil {
		return out, err
	}
	if !d.changing.TryLock() {
		return out, errChanging
	}
	defer d.changing.Unlock()
	for after := uint64(0); ; {
		var ids []uint64
		err = d.each(ctx, &in, after, func(r *deadletter.Record) bool {
			ids = append(ids, r.ID)
			return len(ids) < purgeStep
		})
		if err != nil || len(ids) == 0 {
			break
		}
		var n int
		if n, err = d.keep.Store.Remove(ids); err != nil {
			break
		}
		out.Removed += n
		after = ids[len(ids)-1]
	}
	d.purged.Add(uint64(out.Removed))
	m.hub.cfg.Log.Info("dead letters purged", "hub", m.hub.cfg.ID, "by", m.id, "letters", out.Removed)
	return out, err
}
