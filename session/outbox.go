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
	// highWater: above it new calls wait, and requests of the peer are queued instead of
	// run. Replies, credit and control always go on.
	highWater = 1 << 20
	// lowWater: below it who waits may go on.
	lowWater = highWater / 2
	// bulkWater: above it the next fragment of a long message, items of streams and one-way
	// messages wait, so that a call finds the outbox short.
	bulkWater = 256 << 10
	// bulkLow: below it those may go on.
	bulkLow = bulkWater / 2
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
	buf     []byte         // frames that nobody has begun to write; nil if there are none
	box     *box           // what buf is given back in
	inWrite int            // bytes that the role holder has taken out of buf
	writing atomic.Bool    // the sender role is taken; set under mu
	over    atomic.Bool    // above highWater; set under mu
	closed  bool           // nothing more is appended
	leaving bool           // closed, but what waits may still be written
	broken  bool           // sending has failed
	frames  uint64         // appended so far
	bytes   uint64         // of them
	long    uint64         // bytes of long messages that are being sent fragment by fragment
	freed   chan struct{}  // closed when such a message has ended, or a number may be had; nil if nobody waits
	room    chan struct{}  // closed when the outbox falls below lowWater; nil if nobody waits
	bulk    chan struct{}  // closed when it falls below bulkLow; nil if nobody waits
	empty   chan struct{}  // closed when all is written; nil if nobody waits
	hungry  map[any]func() // who is told when the outbox falls below bulkLow; nil if nobody

	urgent bool   // there is more in buf than one-way messages and items
	roused bool   // the flusher was woken for the one-way messages in buf
	bursts uint64 // how often senders of such had collected so much that they flushed
	seen   uint64 // … when the flusher last looked; by it

	rest  []byte // for the flusher: the unsent end of …
	block *box   // … this buffer; nil if there is none
	mid   int    // bytes of rest until a frame ends
	wake  chan struct{}
	on    bool        // there is a flusher
	work  func()      // what it runs
	since time.Time   // when the flusher's present Send began; zero if there is none
	watch *time.Timer // sees to it; nil until needed
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
	o.buf, o.box, o.roused, o.urgent = nil, nil, false, false
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
	flags, before := h.Flags, len(o.buf)
	for len(payload) > fragmentSize {
		h.Flags = flags&^wire.FlagEnd | wire.FlagMore
		o.buf = wire.AppendFrame(o.buf, h, ext, payload[:fragmentSize])
		payload, ext = payload[fragmentSize:], nil
	}
	h.Flags = flags
	o.buf = wire.AppendFrame(o.buf, h, ext, payload)
	if h.Flags&wire.FlagOneWay == 0 && (h.Kind != wire.KindData || h.Flags&wire.FlagEnd != 0) {
		o.urgent = true
	}
	o.frames++
	o.bytes += uint64(len(o.buf) - before)
	s.appendedLocked()
}

// appendedLocked looks at the marks after something was appended.
func (s *Session) appendedLocked() {
	o := &s.out
	if o.sizeLocked() > highWater {
		o.over.Store(true)
	}
	if o.sizeLocked() > s.hardLimit {
		// Only answers and control come here without waiting for room: the peer asks
		// and asks and never reads.
		o.closed = true
		go s.fail(status.Errorf(status.Overloaded, "peer reads nothing: %d bytes wait for it", o.sizeLocked()))
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
	for len(o.buf) > 0 && o.mayWriteLocked() {
		if s.try == nil {
			s.handToFlusherLocked(nil, nil, 0)
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
			s.handToFlusherLocked(b[n:], x, frameEnd(b, n)-n)
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

// mayWriteLocked reports whether what waits may still be written.
func (o *outbox) mayWriteLocked() bool { return !o.closed || o.leaving }

// restLocked ends a turn of the sender role.
func (o *outbox) restLocked() {
	o.writing.Store(false)
	if len(o.buf) == 0 && o.box != nil {
		o.box.put(o.buf)
		o.buf, o.box = nil, nil
	}
	o.roused = o.roused && len(o.buf) > 0
	o.notifyLocked()
}

// notifyLocked wakes who waits for room or for an empty outbox.
func (o *outbox) notifyLocked() {
	n := o.sizeLocked()
	if n <= highWater && o.over.Load() {
		o.over.Store(false)
	}
	if o.closed {
		o.wakeFreedLocked()
	}
	if o.room != nil && (n < lowWater || o.closed) {
		close(o.room)
		o.room = nil
	}
	if o.bulk != nil && (n < bulkLow || o.closed) {
		close(o.bulk)
		o.bulk = nil
	}
	if o.empty != nil && (n == 0 || o.closed) {
		close(o.empty)
		o.empty = nil
	}
}

// close takes nothing more and wakes everybody. With leave, what waits may still be
// written, unless that has failed before: then it returns false.
func (o *outbox) close(leave bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.hungry = true, nil
	o.leaving = leave && !o.broken
	if !o.leaving {
		o.dropLocked()
	}
	o.notifyLocked()
	return o.leaving
}

// dropLocked forgets what waits.
func (o *outbox) dropLocked() {
	o.leaving = false
	o.buf, o.box, o.rest, o.block = nil, nil, nil, nil
	if o.watch != nil {
		o.watch.Stop()
	}
}

// freedLocked returns what is closed when a long message has ended.
func (o *outbox) freedLocked() <-chan struct{} {
	if o.freed == nil {
		o.freed = make(chan struct{})
	}
	return o.freed
}

// longLocked returns nil if a message of n bytes may be begun, else what is closed when
// that may have changed. The peer holds the beginnings of at most four messages of the
// longest length it takes; one is left for answers, which are not asked about.
func (o *outbox) longLocked(n int, longest uint64) <-chan struct{} {
	if n <= fragmentSize || o.long == 0 || o.long+uint64(n) <= 3*longest {
		return nil
	}
	return o.freedLocked()
}

func (o *outbox) beginLong(n int, r *Route) {
	o.long += uint64(n)
	if r != nil {
		r.busy++
	}
}

func (o *outbox) endLong(n int, r *Route) {
	o.long -= uint64(n)
	if r != nil {
		r.busy--
	}
	o.wakeFreedLocked()
}

func (o *outbox) wakeFreedLocked() {
	if o.freed != nil {
		close(o.freed)
		o.freed = nil
	}
}

// hungryLocked reports whether the outbox is above bulkWater; told is then called, once for
// each who, as soon as it is below bulkLow.
func (o *outbox) hungryLocked(who any, told func()) bool {
	if o.sizeLocked() <= bulkWater {
		return false
	}
	o.feedLaterLocked(who, told)
	return true
}

// feedLaterLocked has told called, if it is not nil, after the next write that leaves room.
func (o *outbox) feedLaterLocked(who any, told func()) {
	if told == nil {
		return
	}
	if o.hungry == nil {
		o.hungry = make(map[any]func())
	}
	o.hungry[who] = told
}

// feedLocked calls those who wait for room, without mu, and returns with mu locked. The caller
// has the sender role, so what they append is written by it.
func (o *outbox) feedLocked() {
	if o.hungry == nil || o.sizeLocked() >= bulkLow || o.closed {
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
	return s.waitBelow(ctx, highWater, &s.out.room)
}

// waitBulk is waitRoom for what must leave room for calls.
func (s *Session) waitBulk(ctx context.Context) error {
	return s.waitBelow(ctx, bulkWater, &s.out.bulk)
}

func (s *Session) waitBelow(ctx context.Context, mark int, told *chan struct{}) error {
	o := &s.out
	for {
		o.lock()
		if o.closed {
			o.mu.Unlock()
			return s.closedError()
		}
		if o.sizeLocked() <= mark {
			return nil
		}
		if *told == nil {
			*told = make(chan struct{})
		}
		room := *told
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
