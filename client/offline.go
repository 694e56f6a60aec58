// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/internal/backoff"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Offline has a Client that reconnects keep events, broadcasts and publications that are sent
// while the connection is lost. They leave in order on the next session, before newer ones.
// The zero value keeps none: senders wait then, see Reconnect.Patience. Publications that are
// acknowledged are never kept: they wait, and tell what became of them.
//
// Sending returns nil for what is kept. What had been written to the connection that broke is
// not sent again: nobody knows whether it arrived.
type Offline struct {
	// Messages is how many may wait; 0 keeps none.
	Messages int
	// Bytes is how many bytes they may have together, with 64 for each message; 0 for
	// DefaultOfflineBytes.
	Bytes int
	// Policy says what happens when there are as many.
	Policy OfflinePolicy
}

// DefaultOfflineBytes is Offline.Bytes if it is 0.
const DefaultOfflineBytes = 4 << 20

// OfflinePolicy says what becomes of one-way messages when as many wait as may.
type OfflinePolicy uint8

// The policies.
const (
	// OfflineRefuse has the sender told status.Overloaded, safe to repeat.
	OfflineRefuse OfflinePolicy = iota
	// OfflineDropOldest drops those that have waited longest.
	OfflineDropOldest
	// OfflineDropNewest drops the one that is sent.
	OfflineDropNewest
)

// String returns the policy's name.
func (p OfflinePolicy) String() string {
	return [...]string{"refuse", "drop_oldest", "drop_newest"}[min(p, OfflineDropNewest)]
}

// OfflineStats are what has become of messages that were sent while the connection was lost.
type OfflineStats struct {
	Waiting, WaitingBytes int    // now
	Kept                  uint64 // so far: those that wait, were sent, or dropped
	Sent                  uint64 // handed to a later session
	DroppedFull           uint64 // because as many waited as may; by DropNewest those that were not kept, too
	DroppedRefused        uint64 // because the other side did not take them, as OnError was told
	DroppedClosed         uint64 // because the Client was closed, or gave up
}

const (
	// offlineCost is what a message counts besides its bytes.
	offlineCost = 64
	// offlineSettle is how long what was kept waits on a new session for its receiver, or its
	// topic, to come back as well.
	offlineSettle = time.Second
	offlinePause  = 20 * time.Millisecond
)

// kept is a message that waits.
type kept struct {
	m    session.Message
	send service.Sending
	size int
}

// offline keeps the messages. It is a service.Holder.
//
//	off ──begin (the connection was lost)──► holding ──drain (there is a session)──► draining ──all sent──► off
//	                                            ▲                                      │
//	                                            └────────── that one was lost ─────────┘
//
// end leads from everywhere to off.
type offline struct {
	c     *Client
	cfg   Offline
	turn  chan struct{} // held by who drains
	holds atomic.Bool   // not off

	mu       sync.Mutex
	draining chan struct{} // closed when it is over; nil if nobody drains
	queue    []kept
	full     uint64 // dropped since that was told last
	count    OfflineStats
}

// newOffline returns nil if nothing is to be kept.
func newOffline(c *Client, r *Reconnect) *offline {
	if r == nil || r.Offline.Messages <= 0 {
		return nil
	}
	o := &offline{c: c, cfg: r.Offline, turn: make(chan struct{}, 1)}
	if o.cfg.Bytes <= 0 {
		o.cfg.Bytes = DefaultOfflineBytes
	}
	return o
}

// Holder implements what service asks for: it returns what keeps one-way messages while the
// connection is lost, nil if nothing does.
func (c *Client) Holder() service.Holder {
	if c.offline == nil {
		return nil
	}
	return c.offline
}

// begin has messages kept from now on.
func (o *offline) begin() {
	if o != nil {
		o.holds.Store(true)
	}
}

// Hold implements service.Holder.
func (o *offline) Hold(ctx context.Context, m *session.Message, send service.Sending) (held bool, err error) {
	if s := o.c.cur.Load(); s != nil && over(s) {
		o.c.lose(s, s.Err()) // nobody has told yet
	}
	for o.holds.Load() {
		o.mu.Lock()
		wait := o.draining
		if wait == nil {
			defer o.mu.Unlock()
			if !o.holds.Load() {
				return false, nil
			}
			return true, o.keepLocked(m, send)
		}
		o.mu.Unlock()
		if err := o.await(ctx, wait); err != nil {
			return false, err
		}
	}
	return false, nil
}

// await waits for those that were kept to be sent.
func (o *offline) await(ctx context.Context, wait <-chan struct{}) error {
	t := time.NewTimer(o.c.patience())
	defer t.Stop()
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return unsent(ctx.Err())
	case <-t.C:
		return &status.Error{Code: status.Unavailable, Retry: status.RetrySafe, Message: "the connection was made anew and what was kept meanwhile is still being sent"}
	}
}

// keepLocked keeps a copy of m, if the policy has it.
func (o *offline) keepLocked(m *session.Message, send service.Sending) error {
	size := len(m.Payload) + len(m.Ext) + offlineCost
	for _, p := range m.Headers {
		size += len(p.Key) + len(p.Value)
	}
	for len(o.queue) >= o.cfg.Messages || o.count.WaitingBytes+size > o.cfg.Bytes {
		switch {
		case o.cfg.Policy == OfflineRefuse:
			return status.Errorf(status.Overloaded, "the connection was lost, and %d messages with %d bytes wait for the next already", len(o.queue), o.count.WaitingBytes)
		case o.cfg.Policy == OfflineDropNewest || len(o.queue) == 0:
			o.count.DroppedFull++
			o.full++
			release(m)
			return nil
		}
		o.popLocked()
		o.count.DroppedFull++
		o.full++
	}
	own := *m
	own.Payload, own.Ext, own.Headers = slices.Clone(m.Payload), slices.Clone(m.Ext), slices.Clone(m.Headers)
	own.Loan = nil
	release(m)
	o.queue = append(o.queue, kept{own, send, size})
	o.count.WaitingBytes += size
	o.count.Kept++
	return nil
}

// release ends the loan of a message that has been sent as far as its sender is concerned.
func release(m *session.Message) {
	if m.Loan != nil {
		m.Loan.Release()
	}
}

// popLocked takes the oldest out.
func (o *offline) popLocked() {
	o.count.WaitingBytes -= o.queue[0].size
	o.queue[0] = kept{}
	if o.queue = o.queue[1:]; len(o.queue) == 0 {
		o.queue = nil
	}
}

// drain sends what was kept on a new session. What is sent meanwhile waits for it.
func (o *offline) drain(ctx context.Context, s *session.Session) {
	if o == nil {
		return
	}
	o.turn <- struct{}{} // who drained a session before this one finds that it has ended
	defer func() { <-o.turn }()
	o.mu.Lock()
	if !o.holds.Load() {
		o.mu.Unlock()
		return
	}
	o.draining = make(chan struct{})
	o.mu.Unlock()
	for began := time.Now(); ; {
		k, more := o.first()
		if !more {
			o.tellFull()
			return
		}
		err := k.send(ctx, s, k.m)
		switch {
		case err != nil && (s.Err() != nil || ctx.Err() != nil):
			o.mu.Lock()
			o.pauseLocked()
			o.mu.Unlock()
			return
		case absent(err) && time.Since(began) < offlineSettle:
			backoff.Wait(ctx, offlinePause)
		default:
			o.passed(err)
		}
	}
}

// first returns the oldest. If there is none, what is sent from now on is not kept.
func (o *offline) first() (k kept, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) > 0 {
		return o.queue[0], true
	}
	o.holds.Store(false)
	o.pauseLocked()
	return kept{}, false
}

// pauseLocked ends the draining.
func (o *offline) pauseLocked() {
	if o.draining != nil {
		close(o.draining)
		o.draining = nil
	}
}

// passed takes the oldest out, which was sent or refused.
func (o *offline) passed(err error) {
	o.mu.Lock()
	if len(o.queue) > 0 { // end may have been faster
		o.popLocked()
		if err == nil {
			o.count.Sent++
		} else {
			o.count.DroppedRefused++
		}
	}
	o.mu.Unlock()
	if err != nil {
		o.complain(err, "a message that was kept while the connection was lost is dropped")
	}
}

// absent reports whether err says that who takes a message has not come back yet.
func absent(err error) bool {
	if err == nil {
		return false
	}
	switch status.CodeOf(err) {
	case status.NoProvider, status.NotFound, status.UnknownMethod, status.Undeclared:
		return true
	}
	return false
}

// tellFull tells how many were dropped because too many waited.
func (o *offline) tellFull() {
	o.mu.Lock()
	n := o.full
	o.full = 0
	o.mu.Unlock()
	if n > 0 {
		o.complain(status.Errorf(status.DataLoss, "%d messages that were sent while the connection was lost are dropped (%s): no more than %d, or %d bytes, could wait",
			n, o.cfg.Policy, o.cfg.Messages, o.cfg.Bytes), "")
	}
}

// complain tells OnError, with words before the error's own.
func (o *offline) complain(err error, words string) {
	f := o.c.cfg.OnError
	if f == nil {
		return
	}
	if words != "" {
		e := *status.Convert(err)
		e.Message, e.Err = words+": "+e.Message, err
		err = &e
	}
	f(err)
}

// end drops what waits, because no session follows.
func (o *offline) end() {
	if o == nil {
		return
	}
	o.tellFull()
	o.mu.Lock()
	n := len(o.queue)
	for len(o.queue) > 0 {
		o.popLocked()
	}
	o.count.DroppedClosed += uint64(n)
	o.holds.Store(false)
	o.pauseLocked()
	o.mu.Unlock()
	if n > 0 {
		o.complain(status.Errorf(status.DataLoss, "%d messages that were sent while the connection was lost are dropped: no connection follows", n), "")
	}
}

// stats returns the counts.
func (o *offline) stats() OfflineStats {
	if o == nil {
		return OfflineStats{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	st := o.count
	st.Waiting = len(o.queue)
	return st
}

// unsent returns the end of a context, for what has certainly not been sent.
func unsent(err error) error {
	e := *status.Convert(err)
	e.Retry = status.RetrySafe
	if e.Err == nil || !errors.Is(e.Err, err) {
		e.Err = err
	}
	return &e
}
