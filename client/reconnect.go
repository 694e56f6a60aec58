// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/plexus-ipc/plexus/internal/backoff"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Reconnect has a Client make its connection anew when that is lost, and do on it again, in
// order, what was done on the one before: join channels, provide methods, declare topics,
// subscribe. The zero value is useful.
//
// A call that was under way when the connection was lost fails with a code that says whether
// it is safe to repeat it. It is repeated if it had certainly not been sent, once, or was
// declared idempotent: then a provider that lives executes it once all the same. What is begun
// meanwhile waits.
type Reconnect struct {
	// Patience is how long an operation waits for the connection to come back before it
	// fails with status.Unavailable, 0 for DefaultPatience. Its context may be shorter.
	Patience time.Duration
	// MaxDelay bounds the random wait before an attempt, 0 for DefaultMaxDelay. It begins
	// with up to a tenth of a second and doubles; with full jitter, so that many clients of
	// one hub do not come back at the same moment. From the second attempt on a fifth of a
	// second is added, so that there are at most five in a second. A server that sends the
	// Client away and says for how long (service.RetryAfter) is not asked before that, and a
	// random part later.
	MaxDelay time.Duration
	// Attempts is after how many failures in a row the Client ends for good; 0 is never.
	Attempts int
	// Offline says which one-way messages are kept while the connection is lost: none, if it
	// is left.
	Offline Offline
	// OnState is told what happens, one State after the other; nil for nobody. It must not
	// block, nor close the Client.
	OnState func(State)
}

// Defaults of Reconnect.
const (
	DefaultPatience = 10 * time.Second
	DefaultMaxDelay = 10 * time.Second
)

// minSpacing is the least time between the beginnings of two attempts: five in a second.
const minSpacing = 200 * time.Millisecond

// attemptTimeout bounds one attempt: to connect, to shake hands and to restore.
const attemptTimeout = 15 * time.Second

// State is what has become of a Client's connection.
type State struct {
	Phase   Phase
	Attempt int           // with Retrying: which, from 1 on
	Delay   time.Duration // with Retrying: how long until it is made
	What    string        // with Lost: "method sums/add"
	Err     error         // why it was lost, or the attempt before failed, or What was refused, or the Client ended
}

// Phase says which State it is.
type Phase uint8

// The phases.
const (
	Connected    Phase = iota // for the first time, or again: all that could be restored is
	Disconnected              // the connection was lost
	Retrying                  // an attempt to make it anew will follow
	Lost                      // something was refused when it was to be restored; it is not tried again
	Ended                     // for good: the Client was closed, or gives up
)

// String returns the phase's name.
func (p Phase) String() string {
	return [...]string{"connected", "disconnected", "retrying", "lost", "ended"}[p]
}

// tell tells who wants to know.
func (c *Client) tell(st State) {
	r := c.cfg.Reconnect
	if r == nil {
		return
	}
	if log := c.cfg.Session.Log; log != nil {
		log.LogAttrs(context.Background(), slog.LevelInfo, "connection "+st.Phase.String(), st.attrs()...)
	}
	if r.OnState != nil {
		r.OnState(st)
	}
}

// attrs are those of the line in the log.
func (s *State) attrs() (all []slog.Attr) {
	if s.Phase == Retrying {
		all = append(all, slog.Int("attempt", s.Attempt), slog.Duration("delay", s.Delay))
	}
	if s.What != "" {
		all = append(all, slog.String("what", s.What))
	}
	if s.Err != nil {
		all = append(all, slog.String("reason", s.Err.Error()))
	}
	return all
}

// lose has the connection made anew after session s has ended with err. It is called by
// whoever notices it first, and does nothing for others.
func (c *Client) lose(s *session.Session, err error) {
	if c.follow(s, err) {
		c.offline.end()
		c.tell(State{Phase: Ended, Err: err})
	}
}

// follow begins to make the connection anew; true if none follows and that was not known.
func (c *Client) follow(s *session.Session, err error) (ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ledger == nil || c.closed {
		return c.endLocked(err)
	}
	if !c.cur.CompareAndSwap(s, nil) {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &attempt{done: make(chan struct{}), cancel: cancel, lender: ctx, anew: true, cause: err}
	c.dial = a
	c.offline.begin()
	c.lost.Go(s.Wait)
	c.wg.Go(func() { c.reconnect(ctx, a) })
	return false
}

// reconnect makes attempts until one succeeds, or none will.
func (c *Client) reconnect(ctx context.Context, a *attempt) {
	defer a.cancel()
	r := c.cfg.Reconnect
	wait := backoff.Policy{Floor: minSpacing, Base: 100 * time.Millisecond, Max: r.MaxDelay}
	if wait.Max <= 0 {
		wait.Max = DefaultMaxDelay
	}
	err := a.cause
	c.tell(State{Phase: Disconnected, Err: err})
	for failures := 0; r.Attempts <= 0 || failures < r.Attempts; failures++ {
		delay := cmp.Or(comeback(err), wait.Delay(failures))
		delay = max(delay, minSpacing-time.Since(c.lastTry())) // also if the one before succeeded
		c.tell(State{Phase: Retrying, Attempt: failures + 1, Delay: delay, Err: err})
		if !backoff.Wait(ctx, delay) {
			break
		}
		var s *session.Session
		if s, err = c.again(ctx); err == nil {
			c.settle(a, s, nil)
			c.offline.drain(c.life, s)
			return
		}
		c.note(a, err)
		if hopeless(err) {
			break
		}
	}
	c.settle(a, nil, err)
}

// lastTry returns when the last attempt began.
func (c *Client) lastTry() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tried
}

// again makes one attempt.
func (c *Client) again(ctx context.Context) (*session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	s, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.ledger.Restore(ctx, s); err != nil {
		s.Close()
		s.Wait()
		return nil, err
	}
	return s, nil
}

// settle ends an attempt, or a row of them, with a session or with the reason why there will
// be none.
func (c *Client) settle(a *attempt, s *session.Session, err error) {
	c.mu.Lock()
	c.dial = nil
	if c.closed {
		err = closedByUser()
		if s != nil {
			s.Close()
		}
	}
	a.err = err
	if err == nil {
		a.s = s
		c.adoptLocked(s)
	} else if a.anew {
		c.endLocked(err)
	}
	c.mu.Unlock()
	close(a.done)
	switch {
	case err == nil:
		c.tell(State{Phase: Connected})
		s.OnEnd(func(err error) { c.lose(s, err) })
	case a.anew:
		c.offline.end()
		c.tell(State{Phase: Ended, Err: err})
	}
}

// note keeps the reason why an attempt failed, for those who lose patience.
func (c *Client) note(a *attempt, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.cause = err
}

// hopeless reports whether the other side will say the same again.
func hopeless(err error) bool {
	switch status.CodeOf(err) {
	case status.PermissionDenied, status.Unauthenticated, status.InvalidArgument, status.Unsupported, status.Protocol:
		return true
	}
	return false
}

// await waits for an attempt: as long as ctx lets it, but if the connection is made anew, not
// longer than patience has it.
func (c *Client) await(ctx context.Context, a *attempt, patience time.Duration) error {
	var late <-chan time.Time
	if a.anew && patience > 0 {
		t := time.NewTimer(patience)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return unsent(ctx.Err())
	case <-late:
		c.mu.Lock()
		defer c.mu.Unlock()
		return &status.Error{
			Code: status.Unavailable, Retry: status.RetrySafe, Err: a.cause,
			Message: "the connection was lost and is being made anew: " + a.cause.Error(),
		}
	}
}

// After implements what service needs to follow from session to session: it waits, without
// losing patience, until another session than the one that has ended stands.
func (c *Client) After(ctx context.Context, ended *session.Session) error {
	for {
		select {
		case <-ended.Done():
		case <-ctx.Done():
			return status.Convert(ctx.Err())
		}
		s, err := c.session(ctx, 0)
		if err != nil || s != ended {
			return err
		}
	}
}
