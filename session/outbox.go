// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Marks of the outbox, in bytes.
const (
	// highWater: above it new calls, streams and one-way messages wait, and requests of
	// the peer are queued instead of run. Replies, credit and control always go on.
	highWater = 1 << 20
	// lowWater: below it who waits may go on.
	lowWater = highWater / 2
	// oneWayFlush: so much one-way traffic is collected before it is flushed by the sender.
	oneWayFlush = 32 << 10
	// keepBuffer: a buffer that has grown beyond it is not used again.
	keepBuffer = 1 << 20
	// fragmentSize is the payload of a fragment of a long message.
	fragmentSize = 64 << 10
)

// outbox is what waits to leave a session. Frames are appended under mu; whoever finds
// nobody writing takes the sender role and writes for all (combining). The goroutine that
// reads must never wait for the peer to read, or two busy peers stop for good; so the
// role holder only tries, and what the transport does not take goes to the flusher, a
// goroutine that is started when it is needed for the first time and parks otherwise.
type outbox struct {
	mu      sync.Mutex
	buf     []byte      // frames that nobody has begun to write; nil if there are none
	box     *box        // what buf is given back in
	inWrite int         // bytes that the role holder has taken out of buf
	writing atomic.Bool // the sender role is taken; set under mu
	over    atomic.Bool // above highWater; set under mu
	closed  bool
	room    chan struct{}  // closed when the outbox falls below lowWater; nil if nobody waits
	empty   chan struct{}  // closed when all is written; nil if nobody waits
	hungry  map[any]func() // who is told when the outbox falls below lowWater; nil if nobody

	rest  []byte // for the flusher: the unsent end of …
	block *box   // … this buffer; nil if there is none
	wake  chan struct{}
	on    bool // the flusher has been started
}

// box keeps a buffer together with the pointer by which the pool knows it.
type box struct{ b []byte }

// boxes holds the memory of outboxes, which an idle session gives back.
var boxes = sync.Pool{New: func() any { return &box{b: make([]byte, 0, 16<<10)} }}

// put gives the memory of b back; b has grown from the box's own.
func (x *box) put(b []byte) {
	if x != nil && cap(b) <= keepBuffer {
		x.b = b[:0]
		boxes.Put(x)
	}
}

// lock takes mu and makes sure that there is a buffer to append to.
func (o *outbox) lock() {
	o.mu.Lock()
	if o.box == nil {
		o.box = boxes.Get().(*box)
		o.buf = o.box.b[:0]
	}
}

// takeLocked takes out what waits.
func (o *outbox) takeLocked() ([]byte, *box) {
	b, x := o.buf, o.box
	o.buf, o.box = nil, nil
	o.inWrite = len(b)
	return b, x
}

// sizeLocked returns the bytes that have not been handed to the operating system.
func (o *outbox) sizeLocked() int { return len(o.buf) + o.inWrite }

// control appends a frame that is never held back and flushes.
func (s *Session) control(h wire.Header, payload []byte) {
	s.out.lock()
	s.appendLocked(h, nil, payload)
	s.out.mu.Unlock()
	s.flush(false)
}

// later appends a frame that is never held back and leaves the flush to the goroutine
// that reads, which flushes before it waits.
func (s *Session) later(h wire.Header, ext, payload []byte) {
	s.out.lock()
	if h.Source != 0 {
		s.introduceLocked(h.Source)
	}
	s.appendLocked(h, ext, payload)
	s.out.mu.Unlock()
}

// appendLocked appends a message, in fragments if it is long. What follows a FlagMore
// fragment of the same id must come from the same sender.
func (s *Session) appendLocked(h wire.Header, ext, payload []byte) {
	o := &s.out
	if o.closed {
		return
	}
	flags := h.Flags
	for len(payload) > fragmentSize {
		h.Flags = flags&^wire.FlagEnd | wire.FlagMore
		o.buf = wire.AppendFrame(o.buf, h, ext, payload[:fragmentSize])
		payload, ext = payload[fragmentSize:], nil
	}
	h.Flags = flags
	o.buf = wire.AppendFrame(o.buf, h, ext, payload)
	s.sent.Add(1)
	if o.sizeLocked() > highWater {
		o.over.Store(true)
	}
	if o.sizeLocked() > s.hardLimit {
		// Only answers and control come here without waiting for room: the peer asks
		// and asks and never reads.
		go s.fail(status.Errorf(status.Overloaded, "peer reads nothing: %d bytes wait for it", o.sizeLocked()))
		o.closed = true
	}
}

// flush writes what waits, unless somebody is at it. With yield the other goroutines that
// are about to send may append first: it pays as soon as several calls are in flight.
func (s *Session) flush(yield bool) {
	o := &s.out
	if o.writing.Load() {
		return // whoever has the role goes on until nothing is left
	}
	o.mu.Lock()
	if o.writing.Load() || len(o.buf) == 0 {
		o.mu.Unlock()
		return
	}
	o.writing.Store(true)
	if yield {
		o.mu.Unlock()
		runtime.Gosched()
		o.mu.Lock()
	}
	for len(o.buf) > 0 && !o.closed {
		if s.try == nil {
			s.handToFlusherLocked(nil, nil)
			o.mu.Unlock()
			return
		}
		b, x := o.takeLocked()
		o.mu.Unlock()
		n, err := s.try.TrySend(b)
		if err != nil {
			s.sendFailed(err)
			return
		}
		o.mu.Lock()
		if n < len(b) {
			o.inWrite = len(b) - n
			x.b = b
			s.handToFlusherLocked(b[n:], x)
			o.mu.Unlock()
			return
		}
		o.inWrite = 0
		x.put(b)
		o.feedLocked()
	}
	o.restLocked()
	o.mu.Unlock()
	s.serveQueued()
}

// restLocked ends a turn of the sender role.
func (o *outbox) restLocked() {
	o.writing.Store(false)
	if len(o.buf) == 0 && o.box != nil {
		o.box.put(o.buf)
		o.buf, o.box = nil, nil
	}
	o.notifyLocked()
}

// notifyLocked wakes who waits for room or for an empty outbox.
func (o *outbox) notifyLocked() {
	n := o.sizeLocked()
	if n <= highWater && o.over.Load() {
		o.over.Store(false)
	}
	if o.room != nil && (n < lowWater || o.closed) {
		close(o.room)
		o.room = nil
	}
	if o.empty != nil && (n == 0 || o.closed) {
		close(o.empty)
		o.empty = nil
	}
}

// handToFlusherLocked gives the sender role to the flusher, with the unsent rest of a buffer.
func (s *Session) handToFlusherLocked(rest []byte, block *box) {
	o := &s.out
	o.rest, o.block = rest, block
	s.wakeFlusherLocked()
}

// wakeFlusherLocked starts the flusher if it was never needed before, and wakes it.
func (s *Session) wakeFlusherLocked() {
	o := &s.out
	if o.closed {
		return
	}
	if !o.on {
		o.on = true
		s.wg.Add(1)
		go s.flusher()
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
		case <-s.done:
			return
		}
		if !s.flushAll() {
			return
		}
	}
}

// flushAll writes until nothing is left. It takes the role if nobody has it.
func (s *Session) flushAll() bool {
	o := &s.out
	o.mu.Lock()
	if o.writing.Load() && o.rest == nil && s.try != nil {
		o.mu.Unlock() // somebody else is writing, and goes on until nothing is left
		return true
	}
	o.writing.Store(true)
	for !o.closed {
		b, block := o.rest, o.block
		o.rest, o.block = nil, nil
		if b == nil {
			if len(o.buf) == 0 {
				break
			}
			b, block = o.takeLocked()
			block.b = b
		}
		o.notifyLocked()
		stuck := s.stuckTimer(o.sizeLocked())
		o.mu.Unlock()
		err := s.conn.Send(b)
		if stuck != nil {
			stuck.Stop()
		}
		if err != nil {
			s.sendFailed(err)
			return false
		}
		block.put(block.b)
		o.mu.Lock()
		o.inWrite = 0
		o.feedLocked()
	}
	closed := o.closed
	o.restLocked()
	o.mu.Unlock()
	if !closed {
		s.serveQueued()
	}
	return !closed
}

// stuckTimer ends the session if the peer takes nothing for DataTimeout while the outbox
// is above its high-water mark.
func (s *Session) stuckTimer(size int) *time.Timer {
	if size < highWater {
		return nil
	}
	return time.AfterFunc(s.cfg.DataTimeout, func() {
		s.fail(status.Errorf(status.Overloaded, "peer took nothing for %v while %d bytes waited for it", s.cfg.DataTimeout, size))
	})
}

func (s *Session) sendFailed(err error) {
	s.fail(s.lost("send", err))
}

// closeOutbox drops what waits and wakes everybody.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.buf, o.box, o.hungry = nil, nil, nil
	o.notifyLocked()
}

// hungryLocked reports whether the outbox is above its high-water mark; told is then
// called, once for each who, as soon as it is below lowWater.
func (o *outbox) hungryLocked(who any, told func()) bool {
	if o.sizeLocked() <= highWater {
		return false
	}
	if told != nil {
		if o.hungry == nil {
			o.hungry = make(map[any]func())
		}
		o.hungry[who] = told
	}
	return true
}

// feedLocked calls those who wait for room, without mu, and returns with mu locked. The caller
// has the sender role, so what they append is written by it.
func (o *outbox) feedLocked() {
	if o.hungry == nil || o.sizeLocked() >= lowWater || o.closed {
		return
	}
	told := o.hungry
	o.hungry = nil
	o.mu.Unlock()
	for _, f := range told {
		f()
	}
	o.mu.Lock()
}

// Full reports whether the outbox is above its high-water mark, so that what needs room
// would have to wait.
func (s *Session) Full() bool { return s.out.full() }

// full reports whether the outbox is above its high-water mark.
func (o *outbox) full() bool { return o.over.Load() }

// waitRoom returns once the outbox is below its high-water mark, with mu locked and a
// buffer ready, or an error.
func (s *Session) waitRoom(ctx context.Context) error {
	o := &s.out
	for {
		o.lock()
		if o.closed {
			o.mu.Unlock()
			return s.closedError()
		}
		if o.sizeLocked() <= highWater {
			return nil
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		s.flush(false)
		handOff(ctx)
		select {
		case <-room:
		case <-ctx.Done():
			return ctxError(ctx)
		}
	}
}

// Flush returns when everything sent so far has been handed to the operating system. It
// does not tell that the peer has got it.
func (s *Session) Flush(ctx context.Context) error {
	s.flush(false)
	o := &s.out
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return s.closedError()
	}
	if o.sizeLocked() == 0 {
		o.mu.Unlock()
		return nil
	}
	if o.empty == nil {
		o.empty = make(chan struct{})
	}
	empty := o.empty
	o.mu.Unlock()
	handOff(ctx)
	select {
	case <-empty:
		return s.errIfDone()
	case <-ctx.Done():
		return ctxError(ctx)
	}
}
