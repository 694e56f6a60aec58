// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// The receiver role says who reads the connection:
//
//	         a frequent lone caller is seen; its reply is delivered
//	reader ─────────────────────────────────────────────────────────► nobody
//	 ▲  ▲                                                              │  ▲
//	 │  └── Keeper: nobody came for a tick ◄───────────────────────────┤  │ reply read, nothing
//	 │                                                       a caller   │  │ else under way
//	 │                                                       claims it  ▼  │
//	 └── others wait, too, or Keeper: the reply is late ◄──────────── caller
//
// A caller that reads its own reply saves one wake-up of a goroutine, which is half of
// the time of a call over a socket. Whoever is reader goroutine runs inline handlers; a
// handler that takes long, or blocks in a call of its own, loses the role to a new
// goroutine and goes on without it.
const (
	roleReader int32 = iota // the reader goroutine reads, or is about to
	roleNobody              // left to callers for a short while
	roleCaller              // a caller waits for its own reply
)

// streakNeeded is how many quick lone calls in a row make the reader rest.
const streakNeeded = 4

// quick is how soon a call must follow the one before to count as frequent.
const quick = 200 * time.Microsecond

type role struct {
	state  atomic.Int32
	claims atomic.Uint32 // counts claims by callers, for the Keeper
	wake   chan struct{} // makes the resting reader take over
	turn   atomic.Pointer[turn]
	rests  atomic.Bool // the reader shall rest after the next lone reply

	callerTurn turn // of whoever is roleCaller

	lone  atomic.Bool // the last batch of frames was one frame; written by who reads
	batch int         // frames since who reads has waited; owned by it

	// by whoever calls alone; a race between two callers does no harm but is avoided
	// by the atomics
	streak  atomic.Int32
	lastEnd atomic.Int64 // after the session's begin

	// seen by the Keeper at its last tick; owned by it
	seenClaims uint32
	seenTurn   *turn
	seenState  uint32
}

// turn is one activation of a reading goroutine. Its state counts the handlers run and
// tells whether one is running and whether the role has been taken away meanwhile.
type turn struct {
	s       *Session
	state   atomic.Uint32
	current atomic.Pointer[Call] // what the running handler serves
	frame   Frame
	call    Call // used for one unary call after the other
	// contexts not handed out yet: they are allocated many at a time and never used twice
	contexts []callContext
}

const (
	turnRuns  = 1 // a handler is running
	turnLost  = 2 // the role has been taken away
	turnCount = 4 // one more handler
)

// read is the reader goroutine: the one that has the role, or rests until it gets it back.
func (s *Session) read(t *turn) {
	defer s.wg.Done()
	defer s.deserted(t)
	s.role.turn.Store(t)
	for {
		err := s.receive()
		if err != nil {
			if errors.Is(err, transport.ErrInterrupted) {
				continue
			}
			s.fail(s.lost("receive", err))
			s.flushDirty()
			return
		}
		s.dispatch(t)
		if t.state.Load()&turnLost != 0 {
			s.finishLost(t)
			return
		}
		if s.role.rests.Load() && !s.rest() {
			return
		}
	}
}

// deserted tidies up if a handler has ended its goroutine by runtime.Goexit. If that was
// the one that reads, the session ends: nobody would read any more.
func (s *Session) deserted(t *turn) {
	switch t.state.Load() & (turnRuns | turnLost) {
	case turnRuns:
		s.fail(&status.Error{Code: status.Internal, Message: "a handler ended the goroutine that reads"})
	case turnRuns | turnLost:
		s.finishLost(t)
	}
}

// receive flushes what must not wait and sees to it that there is a frame.
func (s *Session) receive() error {
	if !s.frameReady() {
		s.pause()
		s.role.endBatch()
	}
	err := s.fill()
	if err != nil || s.hasEnded() {
		return s.seeOff(err)
	}
	s.role.batch++
	return nil
}

// pause does what was put off while there were frames to read.
func (s *Session) pause() {
	s.repay()
	s.countReceived()
	s.flushAnswers()
}

// endBatch notes how many frames came together.
func (r *role) endBatch() {
	if lone := r.batch <= 1; lone != r.lone.Load() {
		r.lone.Store(lone)
	}
	r.batch = 0
}

// crowded reports whether several calls wait for what is received.
func (s *Session) crowded() bool { return s.calls.pending.Load() > 1 }

// seeOff drops what the peer sends after the session has ended, until it hangs up.
func (s *Session) seeOff(err error) error {
	for s.hasEnded() {
		if err == nil {
			b := s.inbox.next()
			h, _, _, bad := wire.ParseFrame(b.Bytes())
			b.Release()
			if bad != nil || h.Kind == wire.KindGoaway && h.Flags&wire.FlagEnd != 0 {
				err = net.ErrClosed
			}
		}
		if err != nil && !errors.Is(err, transport.ErrInterrupted) {
			s.hangUp()
			return err
		}
		err = s.fill()
	}
	return err
}

// flushAnswers flushes what was appended while frames were dealt with.
func (s *Session) flushAnswers() {
	s.flush(false)
	if s.dirty.any.Load() {
		s.flushDirty()
	}
}

// rest leaves the role to callers, if nothing but their calls is going on, and returns
// when it has it back; false means that the session has ended.
func (s *Session) rest() bool {
	if s.calls.pending.Load() != 0 || s.in.open() != 0 || s.frameReady() {
		return true
	}
	s.role.rests.Store(false)
	s.role.streak.Store(0)
	s.pause()
	s.role.claims.Add(1)
	s.leaveToNobody()
	s.keep()
	select {
	case <-s.role.wake:
	case <-s.done:
		s.recall()
		<-s.role.wake // from here, or from the caller who has the role
	}
	return true
}

// claim takes the role for a caller, if nobody has it.
func (s *Session) claim() bool {
	if s.role.state.Load() != roleNobody || !s.role.state.CompareAndSwap(roleNobody, roleCaller) {
		return false
	}
	s.role.claims.Add(1)
	s.keep()
	return true
}

// unclaim leaves the role again: to nobody if all is quiet, else to the reader.
func (s *Session) unclaim(quiet bool) {
	if quiet && !s.hasEnded() && s.calls.pending.Load() == 0 && s.in.open() == 0 && !s.frameReady() {
		s.leaveToNobody()
		return
	}
	s.role.state.Store(roleReader)
	s.wakeReader()
}

// leaveToNobody leaves the role, but not if a call has begun in between that relies on a
// reader.
func (s *Session) leaveToNobody() {
	s.role.state.Store(roleNobody)
	if s.calls.pending.Load() != 0 || s.hasEnded() {
		s.recall()
	}
}

// recall has the reader take the role that was left to callers, for one who waits without
// reading.
func (s *Session) recall() {
	if s.role.state.Load() == roleNobody && s.role.state.CompareAndSwap(roleNobody, roleReader) {
		s.wakeReader()
	}
}

func (s *Session) wakeReader() {
	select {
	case s.role.wake <- struct{}{}:
	default:
	}
}

// readOwn reads until w has its final frame, on behalf of the caller who has claimed the
// role. It gives up, leaving the role to the reader, when the Keeper finds it too slow.
func (s *Session) readOwn(w *waiter) {
	t := &s.role.callerTurn
	frames := 0
	for w.state.Load() != waiterDone {
		if frames > 0 && !s.frameReady() {
			s.pause()
		}
		if err := s.fill(); err != nil {
			if !errors.Is(err, transport.ErrInterrupted) {
				s.fail(s.lost("receive", err))
			}
			s.unclaim(false)
			return
		}
		s.dispatch(t)
		frames++
	}
	s.repay()
	s.countReceived()
	if frames > 1 {
		s.flushAnswers()
	}
	s.unclaim(true)
}

// noteLone counts quick lone calls, seen by a caller that had to wait for the reader.
func (s *Session) noteLone(began time.Time) {
	if s.interrupt == nil || s.ready == nil {
		return
	}
	end := time.Duration(s.role.lastEnd.Swap(int64(time.Since(s.began))))
	if began.Sub(s.began)-end > quick {
		s.role.streak.Store(0)
		return
	}
	if s.role.streak.Add(1) >= streakNeeded && s.calls.streams.Load() == 0 {
		s.role.rests.Store(true)
	}
}

// keep makes sure that the Keeper looks after the session.
func (s *Session) keep() {
	if !s.watched.Load() && s.watched.CompareAndSwap(false, true) {
		s.cfg.Keeper.watch(s)
	}
}

// needsKeeper reports whether the role is with somebody who may not keep it.
func (s *Session) needsKeeper() bool {
	select {
	case <-s.done:
		return false
	default:
	}
	if s.role.state.Load() != roleReader {
		return true
	}
	t := s.role.turn.Load()
	return t != nil && t.state.Load()&(turnRuns|turnLost) == turnRuns
}

// verdict is what a Keeper thinks of a session after a look at it.
type verdict uint8

const (
	forget verdict = iota // nothing to look after any more
	look                  // look again after a tick
	steady                // the role changes hands so fast that a later look will do
	calm                  // the same, by one call after the other: nobody else is kept waiting
)

// steadyCount is how many calls per look make a session steady.
const steadyCount = 16

// inspect is the Keeper's look at the session, once per tick.
func (s *Session) inspect() verdict {
	r := &s.role
	if s.hasEnded() {
		return forget
	}
	state := r.state.Load()
	if state != roleReader {
		claims := r.claims.Load()
		made := claims - r.seenClaims
		r.seenClaims = claims
		if made == 0 && state == roleCaller {
			s.interrupt.Interrupt()
		} else if made == 0 && r.state.CompareAndSwap(roleNobody, roleReader) {
			s.wakeReader()
		}
		return paceOf(made, true)
	}
	t := r.turn.Load()
	now := t.state.Load()
	made := (now - r.seenState) / turnCount
	if t != r.seenTurn || now != r.seenState {
		if t != r.seenTurn {
			made = 1
		}
		r.seenTurn, r.seenState = t, now
		return paceOf(made, r.lone.Load())
	}
	if now&(turnRuns|turnLost) == turnRuns {
		t.take(now)
		return look
	}
	return forget
}

func paceOf(made uint32, lone bool) verdict {
	switch {
	case made < steadyCount:
		return look
	case lone:
		return calm
	}
	return steady
}

func (s *Session) hasEnded() bool { return s.ended.Load() }

// take moves the role from a running handler to a new goroutine, unless the handler has
// just ended. The call is entered into the table of running calls, where a CANCEL finds it.
func (t *turn) take(state uint32) bool {
	s := t.s
	c := t.current.Load() // that of state, if the swap succeeds
	alive := s.hold()
	s.in.mu.Lock()
	if !t.state.CompareAndSwap(state, state|turnLost) {
		s.in.mu.Unlock()
		if alive {
			s.wg.Done()
		}
		return false
	}
	s.cfg.Gate.running.Add(1)
	s.in.adoptLocked(c)
	ended := s.in.ended
	s.in.mu.Unlock()
	if ended != nil {
		c.Cancelled(ended) // too late for the table
	}
	if alive {
		go s.read(newTurn(s))
	}
	return true
}

// hold makes Wait wait for one more goroutine; false means that the session has ended and
// none is begun.
func (s *Session) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.wg.Add(1)
	return true
}

func newTurn(s *Session) *turn {
	t := &turn{s: s}
	t.current.Store(&t.call)
	return t
}

// handOff moves the role on before the goroutine blocks, if ctx is that of a handler
// which runs on the reading goroutine.
func handOff(ctx context.Context) {
	if t, ok := ctx.Value(turnKey{}).(*turn); ok {
		t.handOff()
	}
}

func (t *turn) handOff() {
	if state := t.state.Load(); state&(turnRuns|turnLost) == turnRuns {
		t.take(state)
	}
}

type turnKey struct{}
