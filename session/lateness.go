// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// lateness ends a handshake whose time is up. An accepting side that can be interrupted is,
// so that it can still tell the peer why; a moment later, and else at once, the Conn is
// closed.
type lateness struct {
	close     func() error
	interrupt transport.Interrupter // nil: it cannot be

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func (h *handshake) lateness() *lateness {
	l := &lateness{close: h.conn.Close}
	if !h.dialled {
		l.interrupt, _ = h.conn.(transport.Interrupter)
	}
	return l
}

// begin is called when the time is up.
func (l *lateness) begin() {
	if l.interrupt == nil {
		_ = l.close()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.timer = time.AfterFunc(farewell, func() { _ = l.close() })
		l.interrupt.Interrupt()
	}
}

// Stop is called when the handshake is over in one way or the other.
func (l *lateness) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

// tooLate is the error of a handshake that has been ended by limit, which was made of ctx.
func (h *handshake) tooLate(ctx, limit context.Context) *status.Error {
	if ctx.Err() != nil || !errors.Is(limit.Err(), context.DeadlineExceeded) {
		return status.Errorf(status.DeadlineExceeded, "the peer did not finish the handshake in time: %w", limit.Err())
	}
	after := h.cfg.HandshakeTimeout
	return timeout(status.DeadlineExceeded, HandshakeLimit, after, "the peer did not finish the handshake within %v", after)
}

// refuse tells the peer why, if it can be told.
func (h *handshake) refuse(ctx context.Context, err error) {
	e := status.Convert(err)
	if ctx.Err() != nil {
		e = h.tooLate(context.Background(), ctx)
	}
	out := []byte(nil)
	if h.rawMine == nil {
		out = wire.AppendPreface(out, wire.Preface{Major: wire.Major, Minor: wire.Minor})
	}
	_ = h.conn.Send(wire.AppendFrame(out, wire.Header{Kind: wire.KindGoaway, Flags: wire.FlagEnd}, nil, appendStatus(nil, e)))
}
