// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"

	"github.com/plexus-ipc/plexus/operation"
)

// DeadLetters lists dead letters of the hub, whatever channel they are of, without payloads: a
// page, the oldest first. The next page is After the Next of this one. Like the functions
// below it is for administrators of the hub: status.PermissionDenied for others, and
// status.Unimplemented where none are kept.
func (c *Channel) DeadLetters(ctx context.Context, q operation.DeadLetterQuery) (out operation.DeadLetterList, err error) {
	return out, c.Operate(ctx, operation.ListDeadLetters, q, &out)
}

// DeadLetter returns one dead letter, with its payload.
func (c *Channel) DeadLetter(ctx context.Context, id uint64) (out operation.DeadLetter, err error) {
	return out, c.Operate(ctx, operation.ShowDeadLetter, operation.DeadLetterRef{ID: id}, &out)
}

// ReplayDeadLetters has the hub send dead letters again, in its own name and with the headers
// operation.HeaderDeadLetter and operation.HeaderDeadLetterSender. What was received is
// removed: a publication when its receivers' programs have taken it, a call when it was
// answered well, an event when it is on its way. What was not is kept, with an attempt more. It ends
// with the deadline of ctx, or after ten seconds without one.
func (c *Channel) ReplayDeadLetters(ctx context.Context, in operation.DeadLetterReplay) (out operation.DeadLetterReplayed, err error) {
	return out, c.Operate(ctx, operation.ReplayDeadLetters, in, &out)
}

// PurgeDeadLetters removes dead letters. A filter that chooses all must say so.
func (c *Channel) PurgeDeadLetters(ctx context.Context, f operation.DeadLetterFilter) (out operation.DeadLetterPurged, err error) {
	return out, c.Operate(ctx, operation.PurgeDeadLetters, f, &out)
}
