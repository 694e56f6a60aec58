// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/internal/backoff"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// This file is the caller's half of "an idempotent call takes effect once across a cut"; the
// provider's is in window.go. The caller numbers the call and sends the same number again
// when the connection was lost, its own or the provider's.

const (
	// maxSends is how often a call is sent that may have been received: one that kills whoever
	// serves it does not kill all.
	maxSends = 3
	// maxSeries bounds the series of numbers of a client, one for each method; beyond, they
	// begin anew under other keys.
	maxSeries = maxHandles
)

// repeatPause is the wait before an idempotent call is sent again by a connection that has not
// been lost: its provider's was.
var repeatPause = backoff.Policy{Base: 50 * time.Millisecond, Max: 500 * time.Millisecond, Floor: 20 * time.Millisecond}

// series numbers the calls of one method that may be sent again. The key is random and known
// to the caller, the hub and the method's providers alone: see docs/reconnection.md.
type series struct {
	key [16]byte

	mu    sync.Mutex
	last  uint64
	floor uint64              // no number below it is open
	open  map[uint64]struct{} // those that may be sent again
}

// begin returns the next number.
func (n *series) begin() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	n.open[n.last] = struct{}{}
	return n.last
}

// end says that a number is not sent again.
func (n *series) end(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, seq)
}

// least returns the lowest number that may still be sent again; one that is open bounds it.
func (n *series) least() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.floor <= n.last {
		if _, open := n.open[n.floor]; open {
			break
		}
		n.floor++
	}
	return n.floor
}

// seriesOf returns the numbers of a method's calls.
func (l *Ledger) seriesOf(b session.Bind) *series {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.series[b]
	if n != nil {
		return n
	}
	if l.series == nil || len(l.series) >= maxSeries {
		l.series = make(map[session.Bind]*series)
	}
	n = &series{floor: 1, open: make(map[uint64]struct{})}
	_, _ = rand.Read(n.key[:]) // never fails
	l.series[b] = n
	return n
}

// attempts is one idempotent call on its way to an answer.
type attempts struct {
	h       *Handle
	l       *Ledger
	n       *series
	once    session.Once
	began   time.Time
	cut     time.Time // when it was lost first; zero: never
	waits   int       // in a row, for the provider
	maybe   int       // how often it was sent and may have been received
	because error     // what was said when it was lost last
}

// callOnce is Call for an idempotent call of a client whose sessions follow each other.
func (h *Handle) callOnce(ctx context.Context, l *Ledger, m session.Message, dst []byte) (session.Reply, error) {
	n := l.seriesOf(h.bind)
	a := &attempts{h: h, l: l, n: n, once: session.Once{Key: n.key, Sequence: n.begin()}, began: time.Now()}
	defer n.end(a.once.Sequence)
	m.Once = &a.once
	for {
		r, err := h.at(ctx)
		if err != nil {
			return session.Reply{}, a.failed(err)
		}
		a.once.Floor = n.least()
		a.once.Age = uint32(min((time.Since(a.began) + time.Millisecond - 1).Milliseconds(), math.MaxUint32))
		rep, err := r.Call(ctx, m, dst)
		if err == nil {
			return rep, nil
		}
		err = locked(h.source, err)
		if m.Loan != nil || !a.goesOn(ctx, r, err) {
			return session.Reply{}, a.failed(err)
		}
	}
}

// goesOn reports whether the call is to be sent again after err, once it may be.
func (a *attempts) goesOn(ctx context.Context, r *session.Route, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	why := r.Session().Err()
	ended := why != nil
	switch {
	case ended && status.Retryable(err): // certainly not sent
		a.lost(err, false)
		return true
	case ended && err == why, errors.Is(err, status.PeerGone): //nolint:errorlint // the very value: ours; or the provider's connection to the hub
		a.lost(err, true)
		if a.maybe >= maxSends {
			return false
		}
	case a.cut.IsZero() || !absent(err):
		return false
	}
	return ended || a.pause(ctx)
}

// lost notes that the call was lost with err; maybe says that it may have been received.
func (a *attempts) lost(err error, maybe bool) {
	if a.cut.IsZero() {
		a.cut = time.Now()
	}
	a.waits, a.because = 0, err
	if maybe {
		a.maybe++
		a.once.Attempt++
	}
}

// absent reports whether err says that the provider has not come back yet.
func absent(err error) bool {
	switch status.CodeOf(err) {
	case status.NoProvider, status.NotFound, status.Unavailable:
		return true
	}
	return false
}

// pause waits until the call may be sent again; false if nobody has the patience.
func (a *attempts) pause(ctx context.Context) bool {
	d := repeatPause.Delay(a.waits)
	a.waits++
	if patience := a.l.Patience; patience > 0 && time.Since(a.cut)+d > patience {
		return false
	}
	return backoff.Wait(ctx, d)
}

// failed returns what the caller is told: that a call may have been received before makes it
// unknown whether it took effect, whatever became of it later.
func (a *attempts) failed(err error) error {
	if a.maybe == 0 {
		return err
	}
	if absent(err) {
		e := *status.Convert(a.because)
		e.Message += "; since then: " + status.Convert(err).Message
		err = &e
	}
	if !status.Retryable(err) {
		return err
	}
	e := *status.Convert(err)
	e.Retry = status.RetryUnsafe
	return &e
}
