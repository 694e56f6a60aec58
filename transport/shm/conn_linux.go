// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// What has happened to a Conn, as bits: whoever polls looks at one word.
const (
	isInterrupted = 1 << iota // Interrupt was called; the receiver takes it away
	isClosed                  // Close was called here
	isDead                    // the peer's end of the socket is gone; its ring may have more
	isBroken                  // the peer broke the rules, or it cannot go on; see broken
)

// Conn is one end of a connection over shared memory. Frames are copied into the ring by
// Send and out of it by Recv: what a receiver gets is private to it. See the package's
// description for its abilities.
type Conn struct {
	// Immutable.
	ctl    control
	cred   transport.Credentials
	remote string
	spin   time.Duration
	alone  bool // there is only one P: goroutines wait for each other
	done   chan struct{}
	own    *segment
	peer   *segment

	// Of everybody.
	flags   atomic.Uint32
	parked  atomic.Bool // the receiver sleeps, or is about to
	broken  atomic.Pointer[error]
	lends   lender
	borrows borrower
	freed   sync.Once
	_       [64]byte

	// Of the goroutine that sends.
	sends  gate
	tx     producer
	txWait waiter
	_      [64]byte

	// Of the goroutine that receives.
	receives gate
	rx       consumer
	rxWait   waiter
	crowd    func() bool
	end      error
}

var (
	_ transport.Conn         = (*Conn)(nil)
	_ transport.TrySender    = (*Conn)(nil)
	_ transport.Readier      = (*Conn)(nil)
	_ transport.Batcher      = (*Conn)(nil)
	_ transport.Interrupter  = (*Conn)(nil)
	_ transport.Credentialer = (*Conn)(nil)
	_ transport.Addresser    = (*Conn)(nil)
	_ transport.Crowder      = (*Conn)(nil)
	_ transport.Lender       = (*Conn)(nil)
)

// parts is what a Conn is made of.
type parts struct {
	own, peer   *segment
	cred        transport.Credentials
	remote      string
	opts        Options
	theirArenas uint64 // how many bytes of arenas the peer takes
	socket      *net.UnixConn
	raw         syscall.RawConn
}

func newConn(p parts) *Conn {
	c := &Conn{
		cred: p.cred, remote: p.remote, spin: p.opts.Spin, done: make(chan struct{}), own: p.own, peer: p.peer,
		alone: runtime.GOMAXPROCS(0) == 1,
	}
	c.tx = producer{own: p.own, peer: p.peer}
	c.rx = consumer{own: p.own, peer: p.peer}
	c.txWait = newWaiter(p.own.wait)
	c.rxWait = newWaiter(p.own.sleep)
	c.ctl.init(c, p.socket, p.raw)
	c.lends.init(c, min(p.opts.Arenas, int64(min(p.theirArenas, 1<<40))), p.opts.Idle)
	c.borrows.init(c, p.opts.Arenas)
	return c
}

// Send implements transport.Conn. While the ring is full it waits for the peer to consume.
func (c *Conn) Send(p []byte) error {
	if !c.sends.enter(c) {
		return c.sendError(net.ErrClosed)
	}
	defer c.sends.exit(c)
	for {
		n, err := c.push(p)
		if err != nil {
			return c.sendError(err)
		}
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		c.awaitRoom()
	}
}

// TrySend implements transport.TrySender. It stops between two frames only.
func (c *Conn) TrySend(p []byte) (int, error) {
	if !c.sends.enter(c) {
		return 0, c.sendError(net.ErrClosed)
	}
	defer c.sends.exit(c)
	n, err := c.push(p)
	if err != nil {
		return n, c.sendError(err)
	}
	return n, nil
}

// push puts as many frames of p as there is room for into the ring.
func (c *Conn) push(p []byte) (done int, err error) {
	raceRelease()
	for done < len(p) {
		if f := c.flags.Load(); f&^isInterrupted != 0 {
			return done, c.why(f)
		}
		n, kind, err := piece(p[done:])
		if err != nil {
			return done, err
		}
		ok, err := c.tx.put(kind, p[done:done+n])
		if !ok && err == nil && kind == kindBatch { // a part of it may fit
			n, err = frameAt(p[done:])
			if err == nil {
				ok, err = c.tx.put(kindFrame, p[done:done+n])
			}
		}
		if err != nil {
			c.fail(err)
			return done, err
		}
		if !ok {
			return done, nil
		}
		done += n
		if c.tx.sleeper() {
			c.ctl.ring(bellData)
		}
	}
	return done, nil
}

// Recv implements transport.Conn. It polls the ring for a while before it sleeps; see the
// package's description.
func (c *Conn) Recv() (*transport.Buffer, error) { return c.receive((*consumer).next) }

// RecvBatch implements transport.Batcher: the frames of one record.
func (c *Conn) RecvBatch() (*transport.Buffer, error) { return c.receive((*consumer).nextBatch) }

func (c *Conn) receive(next func(*consumer) (*transport.Buffer, error)) (*transport.Buffer, error) {
	if !c.receives.enter(c) {
		return nil, c.recvError(net.ErrClosed)
	}
	defer c.receives.exit(c)
	for {
		f := c.flags.Load()
		if f&isInterrupted != 0 && f&isClosed == 0 {
			c.flags.And(^uint32(isInterrupted))
			return nil, transport.ErrInterrupted
		}
		if f&isClosed != 0 {
			return nil, c.recvError(net.ErrClosed)
		}
		if c.end != nil {
			return nil, c.end
		}
		b, err := next(&c.rx)
		if b != nil {
			raceAcquire()
			if c.rx.due() {
				c.tell()
			}
			return b, nil
		}
		switch {
		case err != nil:
			c.fail(err)
			c.end = c.recvError(err)
		case f&isBroken != 0:
			c.end = c.recvError(*c.broken.Load())
		case f&isDead != 0:
			c.end = io.EOF
		default:
			c.awaitFrame()
		}
	}
}

// tell publishes what was consumed and wakes the peer's sender if it waits for room.
func (c *Conn) tell() {
	if c.rx.tell() {
		c.ctl.ring(bellRoom)
	}
}

// Ready implements transport.Readier.
func (c *Conn) Ready() bool {
	if !c.receives.enter(c) {
		return false
	}
	defer c.receives.exit(c)
	return c.end == nil && c.rx.ready()
}

// Interrupt implements transport.Interrupter.
func (c *Conn) Interrupt() {
	c.flags.Or(isInterrupted)
	if c.parked.Load() {
		c.rxWait.signal()
		c.ctl.kick()
	}
}

// Crowd implements transport.Crowder.
func (c *Conn) Crowd(f func() bool) { c.crowd = f }

// PeerCredentials implements transport.Credentialer: those of the socket.
func (c *Conn) PeerCredentials() (transport.Credentials, error) { return c.cred, nil }

// RemoteAddress implements transport.Addresser.
func (c *Conn) RemoteAddress() string { return c.remote }

// Close implements transport.Conn. The memory goes when the last call that uses it has
// returned, and each block when it is released.
func (c *Conn) Close() error {
	if c.flags.Or(isClosed)&isClosed != 0 {
		return nil
	}
	close(c.done)
	c.ctl.close()
	c.lends.close()
	c.borrows.close()
	c.reap()
	return nil
}

// fail makes the Conn unusable for a reason, which the first call sets.
func (c *Conn) fail(err error) {
	if c.broken.CompareAndSwap(nil, &err) {
		c.flags.Or(isBroken)
		c.wakeAll()
	}
}

// die notes that the peer's end of the socket is gone.
func (c *Conn) die() {
	if c.flags.Or(isDead)&isDead == 0 {
		c.wakeAll()
	}
}

func (c *Conn) wakeAll() {
	c.rxWait.signal()
	c.txWait.signal()
	c.ctl.kick()
}

// why is the error behind the flags, for a sender.
func (c *Conn) why(f uint32) error {
	switch {
	case f&isClosed != 0:
		return net.ErrClosed
	case f&isBroken != 0:
		return *c.broken.Load()
	}
	return syscall.EPIPE
}

func (c *Conn) sendError(err error) error {
	return &transport.Error{Op: "send", Endpoint: c.name(), Err: err}
}

// recvError leaves frame errors as they are.
func (c *Conn) recvError(err error) error {
	if fe, ok := err.(*transport.FrameError); ok { //nolint:errorlint // made here, never wrapped
		return fe
	}
	return &transport.Error{Op: "receive", Endpoint: c.name(), Err: err}
}

func (c *Conn) name() string {
	if c.remote == "" {
		return "shm"
	}
	return c.remote
}

// gate is passed by the one goroutine that sends, or receives: while it is inside the
// mapped memory stays.
type gate struct{ inside atomic.Bool }

// enter is false after Close.
func (g *gate) enter(c *Conn) bool {
	g.inside.Store(true)
	if c.flags.Load()&isClosed == 0 {
		return true
	}
	g.exit(c)
	return false
}

// exit lets the memory go if Close was called meanwhile.
func (g *gate) exit(c *Conn) {
	g.inside.Store(false)
	if c.flags.Load()&isClosed != 0 {
		c.reap()
	}
}

// reap unmaps after Close, once nobody is inside. Whoever enters later sees isClosed first;
// of several who leave, the last one finds nobody.
func (c *Conn) reap() {
	if c.sends.inside.Load() || c.receives.inside.Load() {
		return
	}
	c.freed.Do(func() {
		c.rx.drop()
		c.lends.leave()
		c.borrows.leave()
		c.own.m.Unmap()
		c.peer.m.Unmap()
	})
}

// String says what it is, for logs.
func (c *Conn) String() string {
	return fmt.Sprintf("shm %s (pid %d)", c.name(), c.cred.PID)
}
