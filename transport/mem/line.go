// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

const defaultCapacity = 256 << 10

// line is one direction of a connection: bytes go in, frames come out. Between the two
// stands a script of faults.
type line struct {
	mu     sync.Mutex
	space  sync.Cond // signalled when used becomes less, or the line ends
	news   sync.Cond // signalled when a frame arrives or may have become due, …
	faults Faults
	queue  []item // arrived or on its way, in order: queue[head:]
	head   int
	used   int // bytes in queue and part

	// The frame that is being sent.
	word [4]byte           // its length word, as far as it is known
	part *transport.Buffer // once the length is known
	have int               // bytes of it so far

	sent        uint64 // frames so far
	bad         error  // an impossible length was announced: nothing after it is understood
	end         error  // of the receiving side, once the queue is empty: io.EOF …
	broken      bool   // sending fails from now on
	closed      bool   // the receiving end was closed by its owner
	interrupted bool
	timer       *time.Timer // pending for the head of the queue
}

// item is a frame with the time when it may be received.
type item struct {
	b    *transport.Buffer
	size int
	due  time.Time // zero: at once
}

func newLine() *line {
	l := new(line)
	l.space.L, l.news.L = &l.mu, &l.mu
	return l
}

// try takes as much of p as there is room for. cut is true if the script says that the
// whole connection breaks now.
func (l *line) try(p []byte) (n int, cut bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tryLocked(p)
}

// send waits until all of p is taken.
func (l *line) send(p []byte) (cut bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		n, cut, err := l.tryLocked(p)
		if p = p[n:]; err != nil || cut || len(p) == 0 {
			return cut, err
		}
		l.space.Wait()
	}
}

func (l *line) tryLocked(p []byte) (n int, cut bool, err error) {
	for n < len(p) && !l.broken {
		room := l.capacity() - l.used
		if l.faults.CutBytes > 0 {
			room = min(room, int(l.faults.CutBytes))
		}
		if room <= 0 {
			return n, false, nil
		}
		took := l.take(p[n:min(n+room, len(p))])
		n += took
		if l.count(took) {
			return n, true, nil
		}
	}
	if l.broken {
		return n, false, io.ErrClosedPipe
	}
	return n, false, nil
}

// count says whether the connection breaks after n more bytes.
func (l *line) count(n int) bool {
	if l.faults.CutBytes > 0 {
		l.faults.CutBytes -= int64(n)
		if l.faults.CutBytes == 0 {
			return true
		}
	}
	return l.faults.CutFrames < 0
}

func (l *line) capacity() int {
	if l.faults.Capacity == 0 {
		return defaultCapacity
	}
	return max(l.faults.Capacity, transport.MaxFrame)
}

// take moves bytes of at most one frame from p into the line.
func (l *line) take(p []byte) int {
	if l.bad != nil {
		return len(p) // nobody will ever read it
	}
	n := 0
	if l.have < 4 {
		n = copy(l.word[l.have:], p)
		l.grow(n)
		if l.have < 4 || !l.begin() {
			return n
		}
	}
	m := copy(l.part.Bytes()[l.have:], p[n:])
	l.grow(m)
	if l.have == l.part.Len() {
		l.finish()
	}
	return n + m
}

func (l *line) grow(n int) {
	l.have += n
	l.used += n
}

// begin makes room for the frame whose length is now known.
func (l *line) begin() bool {
	n := binary.LittleEndian.Uint32(l.word[:])
	if n < transport.MinFrame || n > transport.MaxFrame {
		l.bad = &transport.FrameError{Length: int64(n), Limit: transport.MaxFrame, Head: append([]byte(nil), l.word[:]...)}
		l.news.Signal()
		return false
	}
	l.part = transport.NewBuffer(int(n))
	copy(l.part.Bytes(), l.word[:])
	return true
}

// finish sends the complete frame on its way, by the script.
func (l *line) finish() {
	f, b, k := &l.faults, l.part, l.sent
	l.part, l.have = nil, 0
	l.sent++
	if f.CutFrames > 0 {
		if f.CutFrames--; f.CutFrames == 0 {
			f.CutFrames = -1 // see count
		}
	}
	if f.Lose != nil && f.Lose(k) {
		l.used -= b.Len()
		b.Release()
		return
	}
	if f.Corrupt != nil && f.Corrupt(k) {
		b.Bytes()[4+int(k)%(b.Len()-4)] ^= 0x55
	}
	if f.Duplicate != nil && f.Duplicate(k) {
		l.push(transport.CopyBuffer(b.Bytes()), 0)
	}
	l.push(b, b.Len())
}

func (l *line) push(b *transport.Buffer, size int) {
	it := item{b: b, size: size}
	if l.faults.Delay > 0 {
		it.due = time.Now().Add(l.faults.Delay)
	}
	if len(l.queue) == cap(l.queue) && l.head >= len(l.queue)/2 { // reuse what is received
		l.queue, l.head = append(l.queue[:0], l.queue[l.head:]...), 0
	}
	l.queue = append(l.queue, it)
	l.news.Signal()
}

// recv waits for the next frame.
func (l *line) recv() (*transport.Buffer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, net.ErrClosed
		case l.interrupted:
			l.interrupted = false
			return nil, transport.ErrInterrupted
		case l.dueLocked():
			return l.popLocked(), nil
		case l.head == len(l.queue) && !l.faults.Stall:
			if err := l.atEndLocked(); err != nil {
				return nil, err
			}
		}
		l.news.Wait()
	}
}

// atEndLocked returns what a receiver gets after the last frame, nil while more may come.
func (l *line) atEndLocked() error {
	if l.bad != nil {
		return l.bad
	}
	if errors.Is(l.end, io.EOF) && l.have > 0 {
		return io.ErrUnexpectedEOF
	}
	return l.end
}

func (l *line) popLocked() *transport.Buffer {
	it := l.queue[l.head]
	l.queue[l.head] = item{}
	l.head++
	l.used -= it.size
	l.space.Signal()
	return it.b
}

// dueLocked reports whether a frame may be received now; if one may later, a timer is
// set.
func (l *line) dueLocked() bool {
	if l.head == len(l.queue) || l.faults.Stall {
		return false
	}
	due := l.queue[l.head].due
	if due.IsZero() {
		return true
	}
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.expire)
	} else {
		l.timer.Reset(wait)
	}
	return false
}

func (l *line) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.news.Signal()
}

func (l *line) ready() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.interrupted || l.faults.Stall {
		return false
	}
	if l.head == len(l.queue) {
		return l.bad != nil
	}
	due := l.queue[l.head].due
	return due.IsZero() || !time.Now().Before(due)
}

func (l *line) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupted = true
	l.news.Signal()
}

func (l *line) setFaults(f Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
	l.space.Signal()
	l.news.Signal()
}

// finishSending ends the line from the sender's side: the receiver gets what is queued,
// then err. A pending send fails.
func (l *line) finishSending(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	if l.end == nil {
		l.end = err
	}
	l.space.Broadcast()
	l.news.Broadcast()
}

// finishReceiving ends the line from the receiver's side and drops what is queued.
func (l *line) finishReceiving() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken, l.closed = true, true
	for l.head < len(l.queue) {
		l.popLocked().Release()
	}
	if l.part != nil {
		l.part.Release()
		l.part, l.bad = nil, io.ErrUnexpectedEOF
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.space.Broadcast()
	l.news.Broadcast()
}
