// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/transport"
)

const (
	callers  = 64 // each way
	calls    = 3  // per caller
	request  = 1  // kinds of frames: the byte behind the length
	reply    = 2
	echoHead = 8 // length, kind, caller, two bytes of the call's number
)

// testEcho: 64 callers each way at once, with replies of the same size, do not lock up.
// The goroutine that receives never waits for room: what does not fit stays in an outbox.
func testEcho(t *testing.T, f *Factory) {
	for _, size := range []int{1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		run(t, f, fmt.Sprintf("echo/%d KiB", size>>10), func(b *bench) {
			x, y := newEcho(b.a, size), newEcho(b.b, size)
			b.within("echo", b.start(func() error { return errors.Join(both(x.run, y.run)...) }))
		})
	}
}

func both(f, g func() error) []error {
	other := make(chan error, 1)
	go func() { other <- g() }()
	return []error{f(), <-other}
}

// echo is one end: it calls, and answers what the other end calls.
type echo struct {
	c     transport.Conn
	try   transport.TrySender // nil if there is none
	ready transport.Readier   // nil if there is none
	size  int
	box   [callers]chan *transport.Buffer // replies
	kick  chan struct{}                   // wakes the flusher

	mu    sync.Mutex
	out   []byte // what nobody sends yet
	spare []byte // memory for the next out
	rest  []byte // what the flusher must send first
	busy  bool   // somebody sends
	err   error
}

func newEcho(c transport.Conn, size int) *echo {
	e := &echo{c: c, size: size, kick: make(chan struct{}, 1)}
	e.try, _ = c.(transport.TrySender)
	e.ready, _ = c.(transport.Readier)
	for i := range e.box {
		e.box[i] = make(chan *transport.Buffer, 1)
	}
	return e
}

// run makes all calls and answers as many.
func (e *echo) run() error {
	var side, work sync.WaitGroup
	errs := make([]error, callers)
	side.Go(e.flusher)
	for i := range callers {
		work.Go(func() { errs[i] = e.caller(i) })
	}
	err := e.receive()
	if err != nil {
		for i := range e.box {
			close(e.box[i])
		}
	}
	work.Wait()
	e.stop()
	side.Wait()
	return errors.Join(append(errs, err, e.err)...)
}

// caller makes its calls one after the other.
func (e *echo) caller(i int) error {
	for n := range calls {
		p := frame(e.size, i*calls+n)
		p[4], p[5], p[6], p[7] = request, byte(i), byte(n), 0
		e.post(p)
		e.flush()
		b := <-e.box[i]
		if b == nil {
			return errors.New("no reply")
		}
		p[4] = reply
		same := string(b.Bytes()) == string(p)
		b.Release()
		if !same {
			return errorf("caller %d: another reply", i)
		}
	}
	return nil
}

// receive handles all frames there will be, and flushes when no more are at hand.
func (e *echo) receive() error {
	for range 2 * callers * calls {
		b, err := e.c.Recv()
		if err != nil {
			return err
		}
		e.handle(b)
		if e.ready == nil || !e.ready.Ready() {
			e.flush()
		}
	}
	e.flush()
	return nil
}

func (e *echo) handle(b *transport.Buffer) {
	p := b.Bytes()
	if p[4] == reply {
		e.box[p[5]] <- b
		return
	}
	var head [echoHead]byte
	copy(head[:], p)
	head[4] = reply
	e.post(head[:], p[echoHead:])
	b.Release()
}

// post puts a frame, given in parts, into the outbox.
func (e *echo) post(parts ...[]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range parts {
		e.out = append(e.out, p...)
	}
}

// flush sends what is in the outbox without waiting; what does not fit is the flusher's.
func (e *echo) flush() {
	p := e.claim()
	for len(p) > 0 {
		n, err := 0, error(nil)
		if e.try != nil {
			n, err = e.try.TrySend(p)
		}
		if n < len(p) && err == nil {
			e.handOver(p[n:])
			return
		}
		p = e.next(p, err)
	}
}

// claim takes the outbox and the right to send, if that is free.
func (e *echo) claim() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy || len(e.out) == 0 {
		return nil
	}
	p := e.out
	e.out, e.spare, e.busy = e.spare[:0], nil, true
	return p
}

// next takes the outbox again, or gives the right to send back. sent may be reused.
func (e *echo) next(sent []byte, err error) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.err = err
		e.out = nil
	}
	p := e.out
	e.out, e.busy = sent[:0], len(p) > 0
	if !e.busy {
		e.out, e.spare = p, sent
	}
	return p
}

// handOver gives the rest and the right to send to the flusher.
func (e *echo) handOver(rest []byte) {
	e.mu.Lock()
	e.rest = rest
	e.mu.Unlock()
	e.kick <- struct{}{}
}

// flusher waits for what did not fit and sends it, waiting.
func (e *echo) flusher() {
	for range e.kick {
		e.mu.Lock()
		p := e.rest
		e.rest = nil
		e.mu.Unlock()
		for len(p) > 0 {
			p = e.next(p, e.c.Send(p))
		}
	}
}

// stop ends the flusher once nothing is left to send.
func (e *echo) stop() { close(e.kick) }
