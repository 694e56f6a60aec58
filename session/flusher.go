// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// pieceSize is how much the flusher gives to the Conn at a time, unless a frame is longer:
// that the peer takes something must be seen.
const pieceSize = 128 << 10

// handToFlusherLocked gives the sender role to the flusher, with the unsent rest of a
// buffer and how many bytes of it belong to a frame that was begun.
func (s *Session) handToFlusherLocked(rest []byte, block *box, mid int) {
	o := &s.out
	o.rest, o.block, o.mid = rest, block, mid
	s.wakeFlusherLocked()
}

// wakeFlusherLocked starts the flusher if there is none, and wakes it. While the outbox
// may be written to, Wait has something else to wait for, so that one may be started.
func (s *Session) wakeFlusherLocked() {
	o := &s.out
	if !o.mayWriteLocked() {
		return
	}
	if !o.on {
		o.on = true
		if o.work == nil {
			o.work = s.flusher // bound once: it is started often
		}
		s.wg.Add(1)
		go o.work()
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// flusher writes what could not be written without waiting, and one-way messages whose
// sender did not stay to flush them.
func (s *Session) flusher() {
	defer s.wg.Done()
	for {
		select {
		case <-s.out.wake:
			s.letSend()
		case <-s.done:
		}
		s.flushAll()
		if s.out.dismiss(s.try != nil) {
			return
		}
	}
}

// dismiss lets the flusher go once the session has ended, or with rest, but never if it has
// been woken again: it may have been given the role. A session at rest has no stack for it.
func (o *outbox) dismiss(rest bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if (o.closed || rest) && len(o.wake) == 0 {
		o.on = false
	}
	return !o.on
}

// flushAll writes until nothing is left. It takes the role if nobody has it.
func (s *Session) flushAll() {
	o := &s.out
	o.mu.Lock()
	if o.broken || o.writing.Load() && o.rest == nil && s.try != nil {
		o.mu.Unlock() // somebody else is writing, and goes on until nothing is left
		return
	}
	o.writing.Store(true)
	for again := false; o.mayWriteLocked(); again = true {
		if again && o.rest == nil {
			o.collectLocked()
		}
		b, block, mid := o.rest, o.block, o.mid
		o.rest, o.block, o.mid = nil, nil, 0
		if b == nil {
			if len(o.buf) == 0 {
				break
			}
			b, block = o.takeLocked()
			block.b = b
		}
		if !s.sendLocked(b, mid) {
			o.mu.Unlock()
			return
		}
		block.put(block.b)
	}
	o.restLocked()
	o.mu.Unlock()
	s.serveQueued()
}

// sendLocked sends b, whose first mid bytes end a frame, piece by piece and without mu;
// false means that it has failed.
func (s *Session) sendLocked(b []byte, mid int) bool {
	o := &s.out
	s.watchLocked()
	for len(b) > 0 {
		n := pieceOf(b, mid)
		o.notifyLocked()
		o.since = time.Now()
		o.mu.Unlock()
		err := s.conn.Send(b[:n])
		if err != nil {
			s.sendFailed(err)
		} else {
			s.serveQueued()
		}
		o.mu.Lock()
		o.since = time.Time{}
		if err != nil {
			return false
		}
		b, mid = b[n:], 0
		o.inWrite -= n
		o.feedLocked()
	}
	s.unwatchLocked()
	return true
}

// pieceOf returns how much of b to send at once: whole frames, after the mid bytes that
// end one.
func pieceOf(b []byte, mid int) int {
	n := mid
	for n < len(b) {
		next := n + int(binary.LittleEndian.Uint32(b[n:]))
		if next > pieceSize && n > 0 {
			break
		}
		n = next
	}
	return n
}

// frameEnd returns where the frame ends that byte n of b belongs to, or n if one ends there.
func frameEnd(b []byte, n int) int {
	end := 0
	for end < n {
		end += int(binary.LittleEndian.Uint32(b[end:]))
	}
	return end
}

// watchLocked has stuck look after the flusher.
func (s *Session) watchLocked() {
	o := &s.out
	if o.closed {
		return // hangUp comes soon enough
	}
	if o.watch == nil {
		o.watch = time.AfterFunc(s.cfg.DataTimeout, s.stuck)
		return
	}
	o.watch.Reset(s.cfg.DataTimeout)
}

func (s *Session) unwatchLocked() {
	if o := &s.out; !o.closed {
		o.watch.Stop()
	}
}

// stuck ends the session if the peer has taken nothing for DataTimeout and the outbox is
// not nearly empty.
func (s *Session) stuck() {
	o := &s.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() || o.closed {
		return
	}
	limit, quiet := s.cfg.DataTimeout, time.Since(o.since)
	switch {
	case quiet < limit:
		o.watch.Reset(limit - quiet)
	case o.sizeLocked() <= bulkLow:
		o.watch.Reset(limit / 4)
	default:
		o.closed = true
		go s.fail(timeout(status.Overloaded, DataLimit, quiet, "peer took nothing for %v while %d bytes waited for it", quiet, o.sizeLocked()))
	}
}

// sendFailed notes that nothing can be sent any more. The session ends when the reader has
// found out why, or soon anyway: the peer may have said it in a GOAWAY before it hung up.
func (s *Session) sendFailed(err error) {
	o := &s.out
	o.mu.Lock()
	o.broken = true
	o.mu.Unlock()
	t := time.AfterFunc(farewell, func() { s.fail(s.lost("send", err)) })
	s.OnEnd(func(error) { t.Stop() })
	s.recall()
}
