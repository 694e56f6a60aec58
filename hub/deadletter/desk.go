// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"context"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// Desk answers questions about what is in a Store. Its functions wait for the disk, until ctx
// ends; they are as safe for concurrent use as the Store.
type Desk struct {
	Store Store
	Now   func() time.Time
}

// Each calls f with the letters that a filter chooses and whose ids are greater than after, in
// their order, until it returns false. See Store.Scan for how long a Record is valid.
func (d *Desk) Each(ctx context.Context, q *operation.DeadLetterFilter, after uint64, f func(r *Record) bool) error {
	now, n := d.Now(), 0
	look := func(r *Record) (more bool) {
		if n++; n%256 == 0 && ctx.Err() != nil {
			return false
		}
		return !Chosen(q, r, now) || f(r)
	}
	if len(q.IDs) == 0 {
		if err := d.Store.Scan(after, look); err != nil {
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
		err := d.Store.Scan(id-1, func(r *Record) bool {
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

// List returns a page of letters, without the Stats.
func (d *Desk) List(ctx context.Context, in operation.DeadLetterQuery) (out operation.DeadLetterList, err error) {
	if err := CheckFilter(&in.DeadLetterFilter, false); err != nil {
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
	err = d.Each(ctx, &in.DeadLetterFilter, in.After, func(r *Record) bool {
		if len(out.Letters) == limit || size > maxListed {
			out.Next = out.Letters[len(out.Letters)-1].ID
			return false
		}
		size += r.Size() - len(r.Payload)
		out.Letters = append(out.Letters, r.Tell(false))
		return true
	})
	return out, err
}

// Show returns a letter with its payload.
func (d *Desk) Show(ctx context.Context, id uint64) (out operation.DeadLetter, err error) {
	found := false
	err = d.Each(ctx, &operation.DeadLetterFilter{IDs: []uint64{id}}, 0, func(r *Record) bool {
		out, found = r.Tell(true), true
		return false
	})
	if err == nil && !found {
		err = status.Errorf(status.NotFound, "there is no dead letter %d", id)
	}
	return out, err
}

// purgeStep is how many letters are removed in one change of the store.
const purgeStep = 4096

// Purge removes letters and returns how many, also with an error.
func (d *Desk) Purge(ctx context.Context, f operation.DeadLetterFilter) (removed int, err error) {
	if err := CheckFilter(&f, true); err != nil {
		return 0, err
	}
	for after := uint64(0); ; {
		var ids []uint64
		err := d.Each(ctx, &f, after, func(r *Record) bool {
			ids = append(ids, r.ID)
			return len(ids) < purgeStep
		})
		if err != nil || len(ids) == 0 {
			return removed, err
		}
		n, err := d.Store.Remove(ids)
		if removed += n; err != nil {
			return removed, err
		}
		after = ids[len(ids)-1]
	}
}
