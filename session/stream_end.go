// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"io"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// CloseSend says that no more items come from this side. The other direction goes on.
func (x *Stream) CloseSend() error {
	if x.ended {
		return nil
	}
	x.ended = true
	x.s.control(wire.Header{Kind: wire.KindData, Flags: wire.FlagEnd, ID: x.id}, nil)
	return x.s.errIfDone()
}

// Reply waits for the final answer, at the calling end. Items that have not been received
// are dropped.
func (x *Stream) Reply(ctx context.Context) (Reply, error) {
	for {
		x.mu.Lock()
		over, err, reply := x.over, x.err, x.reply
		x.mu.Unlock()
		if over && err != nil {
			return Reply{}, err
		}
		if over {
			return reply, nil
		}
		item, err2 := x.next()
		if item != nil || err2 != nil && !errors.Is(err2, io.EOF) {
			continue
		}
		x.s.flush(false)
		x.leave(ctx)
		select {
		case <-x.signal:
		case <-ctx.Done():
			return Reply{}, ctxError(ctx)
		}
	}
}

// Cancel gives the stream up, at the calling end: the producer is told, what waits is
// dropped, and Recv and Send fail with status.Cancelled.
func (x *Stream) Cancel() {
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		x.drop()
		return
	}
	x.overLocked()
	x.err = &status.Error{Code: status.Cancelled, Message: "the stream was given up"}
	id := x.id
	x.mu.Unlock()
	x.drop()
	x.s.calls.abandon(id)
	x.s.control(wire.Header{Kind: wire.KindCancel, ID: id}, nil)
	x.wake()
}

// finish ends the stream at the serving end: the final frame goes out.
func (x *Stream) finish() {
	x.mu.Lock()
	x.overLocked()
	x.mu.Unlock()
	x.drop()
	x.notify()
	x.s.out.mu.Lock()
	defer x.s.out.mu.Unlock()
	x.window.wakeLocked()
}

// drop releases what nobody will take.
func (x *Stream) drop() {
	x.mu.Lock()
	queue := x.queue
	x.queue = nil
	x.mu.Unlock()
	for i := range queue {
		queue[i].release()
	}
	x.dropped.Store(true)
}
