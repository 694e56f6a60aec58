// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// TimeLimit names what a session may not take longer for.
type TimeLimit string

// The time limits of a session, see the fields of Config.
const (
	HandshakeLimit TimeLimit = "handshake" // HandshakeTimeout
	HeartbeatLimit TimeLimit = "heartbeat" // Heartbeat, HeartbeatTimeout and HeartbeatGrace
	FrameLimit     TimeLimit = "frame"     // FrameTimeout
	IdleLimit      TimeLimit = "idle"      // IdleTimeout
	DataLimit      TimeLimit = "data"      // DataTimeout
)

// TimeoutError is the cause, inside the *status.Error of a session's end, if one of its time
// limits has ended it: on the side whose limit it was, and on the other if it could be told.
type TimeoutError struct {
	Limit TimeLimit
	After time.Duration // how long it took, or nothing was heard
}

// Error returns a sentence with the limit and the time.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("the %s limit has passed after %v", e.Limit, e.After)
}

// Timeout is true: it is what a net.Error says of itself.
func (e *TimeoutError) Timeout() bool { return true }

// timeoutDetails is how a TimeoutError travels, in the details of a status.
type timeoutDetails struct {
	Timeout TimeLimit `json:"timeout"`
	Millis  int64     `json:"ms"`
}

// timeout returns the error of a session that a time limit ends.
func timeout(code status.Code, limit TimeLimit, after time.Duration, format string, args ...any) *status.Error {
	e := status.Errorf(code, format, args...)
	e.Err = &TimeoutError{Limit: limit, After: after}
	e.Details, _ = json.Marshal(timeoutDetails{limit, after.Milliseconds()}) // of two plain fields: it cannot fail
	return e
}

// timeoutOf returns the TimeoutError that the details of a peer's status stand for, or nil.
func timeoutOf(details []byte) error {
	var d timeoutDetails
	whole := len(details) <= 256 && json.Unmarshal(details, &d) == nil && d.Millis >= 0
	switch d.Timeout {
	case HandshakeLimit, HeartbeatLimit, FrameLimit, IdleLimit, DataLimit:
		if !whole {
			return nil
		}
		return &TimeoutError{Limit: d.Timeout, After: time.Duration(min(d.Millis, maxMillis)) * time.Millisecond}
	}
	return nil
}

const maxMillis = (1<<63 - 1) / int64(time.Millisecond)

// limitTime begins to look after the session's time limits. Nobody reads the Conn yet.
func (s *Session) limitTime() {
	c := s.cfg
	if w, ok := s.conn.(transport.PartWaiter); ok && (c.FrameTimeout > 0 || c.Heartbeat > 0) {
		s.mid.look = s.lookAtFrame
		w.PartWaits(s.partWaits)
	}
	var of []*chore
	if c.Heartbeat > 0 {
		of = append(of, &s.startHeart().chore)
	}
	if c.IdleTimeout > 0 {
		of = append(of, &s.startIdle().chore)
	}
	if of != nil {
		s.OnEnd(func(error) {
			for _, x := range of {
				c.Keeper.slow.strike(x)
			}
		})
	}
}

// expire ends the session by a time limit, on another goroutine: the agenda's must not wait
// for a Conn to be closed. The peer is told, in words of its own, if it can be.
func (s *Session) expire(reason *status.Error, told string) {
	if !s.hold() {
		return
	}
	go func() {
		defer s.wg.Done()
		s.closeTelling(reason, &status.Error{Code: reason.Code, Message: told, Details: reason.Details})
	}()
}

// midframe says whether the peer is in the middle of a frame, and for how long. It costs
// nothing as long as frames come whole: whoever reads notes that it waits for the rest of
// one, and only then is there anything on the agenda.
type midframe struct {
	chore
	open  atomic.Bool   // a frame was begun and is waited for; written by who reads
	armed atomic.Bool   // on the agenda
	frame atomic.Uint64 // the number of the frame; written by who reads
	steps atomic.Uint64 // how often its rest was waited for: a sign of life

	// owned by look, and while not armed by who reads
	seen  uint64
	since time.Time
}

// over notes that whole frames have come.
func (m *midframe) over() {
	if m.open.Load() {
		m.open.Store(false)
	}
}

// partWaits is called by who reads before it waits for the rest of a frame.
func (s *Session) partWaits() {
	m := &s.mid
	m.steps.Add(1)
	if !m.open.Load() {
		m.frame.Add(1)
		m.open.Store(true)
	}
	if s.cfg.FrameTimeout > 0 && !m.armed.Load() && !s.hasEnded() && m.armed.CompareAndSwap(false, true) {
		m.note(time.Now())
		s.cfg.Keeper.slow.enter(&m.chore, s.cfg.FrameTimeout/quarters)
	}
}

// note begins to watch the frame that is waited for.
func (m *midframe) note(now time.Time) { m.seen, m.since = m.frame.Load(), now }

// lookAtFrame ends the session if the frame is the same as a FrameTimeout ago. If the look is
// late this process did not read meanwhile, and the peer gets its time anew.
func (s *Session) lookAtFrame(late time.Duration) time.Duration {
	m, limit, now := &s.mid, s.cfg.FrameTimeout, time.Now()
	again := limit / quarters
	if s.hasEnded() {
		return 0
	}
	if !m.open.Load() {
		m.armed.Store(false)
		if !m.open.Load() || !m.armed.CompareAndSwap(false, true) {
			return 0
		}
		m.note(now)
	}
	switch took := now.Sub(m.since); {
	case m.seen != m.frame.Load() || late > again:
		m.note(now)
	case took >= limit:
		s.expire(timeout(status.PeerGone, FrameLimit, took, "the peer has begun a frame and not finished it within %v", limit),
			"a frame from this side was begun and not finished within "+limit.String())
		return 0
	}
	return again
}

// idle ends a session that nobody uses.
type idle struct {
	chore
	s     *Session
	seen  uint64
	quiet int // looks without use
}

func (s *Session) startIdle() *idle {
	i := &idle{s: s}
	i.look = i.check
	s.cfg.Keeper.slow.enter(&i.chore, s.cfg.IdleTimeout/quarters)
	return i
}

// check is one look.
func (i *idle) check(late time.Duration) time.Duration {
	s, limit := i.s, i.s.cfg.IdleTimeout
	again := max(limit/quarters, time.Millisecond)
	if s.hasEnded() {
		return 0
	}
	if use := s.use(); use != i.seen || late > again || s.in.open() > 0 || s.calls.pending.Load() > 0 {
		i.seen, i.quiet = use, 0
		return again
	}
	if i.quiet++; i.quiet < quarters {
		return again
	}
	s.expire(timeout(status.Unavailable, IdleLimit, limit, "nothing was sent or received for %v", limit),
		"the session was not used for "+limit.String())
	return 0
}

// use counts what was sent and received, except for heartbeats.
func (s *Session) use() uint64 {
	s.out.mu.Lock()
	sent := s.out.frames
	s.out.mu.Unlock()
	return sent + s.received.Load() - s.beats.Load()
}
