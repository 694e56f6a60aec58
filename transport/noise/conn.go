// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// closeGrace bounds how long Close tries to say goodbye.
const closeGrace = 100 * time.Millisecond

// Who may encrypt: a sender takes the turn and gives it back, Close keeps it.
const (
	turnFree int32 = iota
	turnTaken
	turnOver
)

// conn is a Conn over Noise. On the accepting side the handshake is made by the first of
// Send, Recv and ChannelBinding, in a goroutine of its own that Close waits for: a read
// deadline, which Interrupt uses, would break a handshake.
//
//	accepted ── begin ──► handshake ──► up ──► closed
//	dialled ───────────────────────────►┘
type conn struct {
	nc     net.Conn
	remote string
	cfg    *Config // of an accepted Conn

	begin sync.Once
	done  chan struct{} // closed when the handshake is over
	wake  chan struct{} // an interrupt during the handshake
	up    atomic.Bool   // the handshake is over and has succeeded
	err   error         // of the handshake, valid after done
	*outcome

	closed      atomic.Bool
	interrupted atomic.Bool
	turn        atomic.Int32

	sender
	receiver
	below
}

// receiver is owned by the goroutine that receives.
type receiver struct {
	fr     transport.Framer
	frames int               // received since the last read
	chunk  *transport.Buffer // of ciphertext; nil while there is none
	r, w   int               // unread is chunk[r:w]
	plain  []byte            // decrypted in place in the chunk, and not yet in fr
	end    error             // what every later Recv returns
}

// newConn returns the Conn over nc; o is nil if the handshake is still to be made, as cfg says.
func newConn(nc net.Conn, remote string, cfg *Config, o *outcome) (transport.Conn, error) {
	c := &conn{nc: nc, remote: remote, cfg: cfg, outcome: o, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	if o != nil {
		c.begin.Do(func() { close(c.done) })
		c.up.Store(true)
	}
	return c.offer()
}

// handshake starts the handshake unless that has happened.
func (c *conn) handshake() {
	c.begin.Do(func() {
		go func() {
			defer close(c.done)
			_ = c.nc.SetDeadline(time.Now().Add(c.cfg.HandshakeTimeout))
			c.outcome, c.err = c.cfg.accept(c.nc, nil)
			_ = c.nc.SetDeadline(time.Time{})
			c.up.Store(c.err == nil)
		}()
	})
}

func (c *conn) established() error {
	if c.up.Load() {
		return nil
	}
	c.handshake()
	<-c.done
	return c.err
}

// ChannelBinding implements transport.Binder: the hash of the handshake. It waits for it.
func (c *conn) ChannelBinding() ([]byte, error) {
	if err := c.established(); err != nil {
		return nil, c.failed("receive", err)
	}
	return c.binding, nil
}

// PeerName implements transport.Namer.
func (c *conn) PeerName() string {
	if !c.up.Load() {
		return ""
	}
	return c.name
}

// RemoteAddress implements transport.Addresser.
func (c *conn) RemoteAddress() string { return c.remote }

// Recv implements transport.Conn.
func (c *conn) Recv() (*transport.Buffer, error) { return c.recv(false) }

// RecvBatch implements transport.Batcher.
func (c *conn) RecvBatch() (*transport.Buffer, error) { return c.recv(true) }

func (c *conn) recv(batch bool) (*transport.Buffer, error) {
	for {
		if c.closed.Load() {
			c.drop()
			return nil, c.failed("receive", net.ErrClosed)
		}
		if c.takeInterrupt() {
			return nil, transport.ErrInterrupted
		}
		if c.end != nil {
			return nil, c.end
		}
		if b, err := c.next(batch); b != nil || err != nil {
			return b, c.ended(err)
		}
		if err := c.fill(); err != nil && !c.expired(err) {
			return nil, c.ended(err)
		}
	}
}

// next takes a frame, or all there are, from what was decrypted.
func (c *conn) next(batch bool) (*transport.Buffer, error) {
	if batch {
		b, n, err := c.fr.Batch()
		c.frames += n
		return b, err
	}
	b, err := c.fr.Next()
	if b != nil {
		c.frames++
	}
	return b, err
}

// fill brings at least one decrypted byte into fr, or fails. It returns nil after an
// interrupt, too.
func (c *conn) fill() error {
	if !c.up.Load() {
		c.handshake()
		select {
		case <-c.wake:
			return nil
		case <-c.done:
			return c.err // nil: recv looks at the interrupt before it reads
		}
	}
	for len(c.plain) == 0 {
		filled, err := c.decrypt()
		if filled || err != nil {
			return err
		}
		if len(c.plain) > 0 {
			break
		}
		if err := c.read(); err != nil {
			return c.unannounced(err)
		}
	}
	n := copy(c.fr.Space(), c.plain)
	c.fr.Filled(n)
	c.plain = c.plain[n:]
	return nil
}

// decrypt opens the next whole record, straight into fr where it fits, else in place. A
// record without plaintext is the goodbye.
func (c *conn) decrypt() (filled bool, err error) {
	if c.chunk == nil {
		return false, nil
	}
	ciphertext, size, err := cut(c.chunk.Bytes()[c.r:c.w])
	if ciphertext == nil || err != nil {
		return false, err
	}
	c.r += size
	n := len(ciphertext) - tagSize
	to := ciphertext[:0]
	space := c.fr.Space()
	if len(space) >= n {
		to = space[:0]
	}
	plain, err := c.in.open(to, ciphertext)
	switch {
	case err != nil:
		return false, err
	case n == 0:
		return false, io.EOF
	case len(space) >= n:
		c.fr.Filled(n)
		return true, nil
	}
	c.plain = plain
	return false, nil
}

// space returns where to read ciphertext into: never empty, and with room for the rest of
// any record.
func (c *conn) space() []byte {
	if c.chunk == nil {
		c.chunk, c.r, c.w = transport.NewBuffer(transport.ChunkSize), 0, 0
	}
	b := c.chunk.Bytes()
	if c.r == c.w || len(b)-c.r < maxPlain+overhead { // no plain is left: more is needed
		c.w = copy(b, b[c.r:c.w])
		c.r = 0
	}
	return b[c.w:]
}

// idle gives back memory that holds nothing. It is called before waiting.
func (c *conn) idle() {
	c.fr.Idle()
	if c.chunk != nil && c.r == c.w {
		c.chunk.Release()
		c.chunk = nil
	}
}

// drop gives back all memory.
func (c *conn) drop() {
	c.fr.Close()
	c.r, c.w, c.plain = 0, 0, nil
	c.idle()
}

// unannounced makes an end without a goodbye a failure: somebody may have cut the line.
// Before the first record it is how a listener refuses the key that it saw last.
func (c *conn) unannounced(err error) error {
	if c.expired(err) {
		return nil
	}
	switch {
	case cutOff(err) && c.in.n == 0 && c.cfg == nil && c.name != "":
		return dialled(io.EOF)
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// ended remembers and returns the final error of the receiving side, nil for nil.
func (c *conn) ended(err error) error {
	if err == nil || c.end != nil {
		return c.end
	}
	var fe *transport.FrameError
	switch {
	case errors.As(err, &fe):
		c.end = fe
	case err == io.EOF && !c.fr.Partial(), err == io.ErrUnexpectedEOF: //nolint:errorlint // these very ones
		c.end = err
	case err == io.EOF: //nolint:errorlint // as above
		c.end = io.ErrUnexpectedEOF
	default:
		c.end = c.failed("receive", err)
	}
	c.drop()
	return c.end
}

// failed gives an error the form that transport.Conn promises.
func (c *conn) failed(op string, err error) error {
	if errors.Is(err, net.ErrClosed) {
		err = net.ErrClosed
	}
	return &transport.Error{Op: op, Endpoint: c.remote, Err: err}
}

// Ready implements transport.Readier: a frame is decrypted, or comes out of what is here.
func (c *conn) Ready() bool {
	if c.end != nil || c.closed.Load() || !c.up.Load() {
		return false
	}
	for !c.fr.Ready() {
		if len(c.plain) > 0 {
			n := copy(c.fr.Space(), c.plain)
			c.fr.Filled(n)
			c.plain = c.plain[n:]
			continue
		}
		filled, err := c.decrypt()
		if err != nil {
			_ = c.ended(err)
			return false
		}
		if !filled && len(c.plain) == 0 {
			return false
		}
	}
	return true
}

// Interrupt implements transport.Interrupter. The flag is the truth, the deadline only
// wakes a pending read: the flag is set before up is looked at, and looked at after up is set.
func (c *conn) Interrupt() {
	if c.interrupted.Swap(true) {
		return
	}
	if c.up.Load() {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails only after Close
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	if c.up.Load() {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// takeInterrupt reports whether an interrupt was pending, which it no longer is then. The
// deadline of a handshake is left alone.
func (c *conn) takeInterrupt() bool {
	if !c.interrupted.Load() {
		return false
	}
	if c.up.Load() {
		_ = c.nc.SetReadDeadline(time.Time{})
	}
	return c.interrupted.Swap(false)
}

// expired handles the error of a read: true if it was the deadline of an interrupt, which
// is reset.
func (c *conn) expired(err error) bool {
	if !c.up.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	return true
}

// Close implements transport.Conn. It takes at most about closeGrace.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if !c.up.Load() {
		err := c.nc.Close()
		c.begin.Do(func() { close(c.done) })
		<-c.done
		return err
	}
	if c.turn.CompareAndSwap(turnFree, turnOver) {
		c.goodbye()
	}
	return c.nc.Close()
}
