// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
)

// leaseTick is how late the end of a lease may be noticed if the clock is set forward, or
// the machine sleeps: timers do not follow the clock of the wall, by which leases end.
const leaseTick = time.Minute

// lease ends a session with the proof that its peer has given.
type lease struct {
	s     *Session
	until time.Time // without a monotonic reading; zero for never

	mu    sync.Mutex
	ended bool
	timer *time.Timer // nil without until
	stop  func()
}

// startLease has the session end when the proof of the peer's identity does.
func (s *Session) startLease(proof auth.Lease) {
	l := &lease{s: s, until: proof.Until().Round(0)}
	if !l.until.IsZero() {
		l.mu.Lock()
		l.timer = time.AfterFunc(l.left(), l.look)
		l.mu.Unlock()
	}
	stop := proof.Watch(func(err error) { s.CloseWith(unauthenticated(err)) })
	l.mu.Lock()
	l.stop = stop
	l.mu.Unlock()
	s.OnEnd(func(error) { l.end() })
}

// unauthenticated gives the reason for which a proof was withdrawn its code.
func unauthenticated(err error) *status.Error {
	if e := status.Convert(err); e.Code == status.Unauthenticated {
		return e
	}
	return &status.Error{Code: status.Unauthenticated, Message: err.Error(), Err: err}
}

// left is how long to sleep before the next look.
func (l *lease) left() time.Duration {
	return min(max(l.until.Sub(time.Now().Round(0)), 0), leaseTick)
}

// look ends the session if it is time.
func (l *lease) look() {
	if !time.Now().Round(0).Before(l.until) {
		l.s.CloseWith(status.Errorf(status.Unauthenticated, "what the session was authenticated by has expired"))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.timer.Reset(l.left())
	}
}

// end leaves nothing behind.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.stop()
}
