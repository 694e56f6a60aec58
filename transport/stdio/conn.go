// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/transport"
)

// conn implements transport.Conn, Readier, Interrupter and PartWaiter.
type conn struct {
	w      io.WriteCloser
	src    source
	name   string
	finish func() error // closes what is not w; called once
	closed atomic.Bool
	flag   atomic.Bool // an interrupt is pending

	// Owned by the goroutine that receives.
	fr   transport.Framer
	part func()      // told before waiting for the rest of a frame; nil: nobody
	lull func() bool // quieten, bound once
	end  error
}

// source is where bytes come from.
type source interface {
	// fill waits for bytes and puts them into fr. It returns nil without bytes after
	// wake or stop. Before it waits it calls lull.
	fill(fr *transport.Framer, lull func() (gone bool)) error
	// reset forgets earlier wakes; the caller looks at its flag afterwards.
	reset()
	// wake makes the pending fill, or else the next one, return.
	wake()
	// stop is wake for ever and lets go of the reader.
	stop() error
}

// New returns a Conn that receives from r and sends to w and closes both. r and w may be
// the same. If a Read of r cannot be ended by closing r, nor by a deadline, a goroutine
// stays behind in it.
func New(r io.ReadCloser, w io.WriteCloser) transport.Conn { return newConn(r, w, "stdio:") }

func newConn(r io.ReadCloser, w io.WriteCloser, name string) *conn {
	c := &conn{w: w, src: newSource(r), name: name}
	c.finish, c.lull = c.src.stop, c.quieten
	return c
}

// Send implements transport.Conn.
func (c *conn) Send(p []byte) error {
	if c.closed.Load() {
		return c.fault("send", net.ErrClosed)
	}
	if _, err := c.w.Write(p); err != nil {
		return c.fault("send", err)
	}
	return nil
}

// Recv implements transport.Conn.
func (c *conn) Recv() (*transport.Buffer, error) {
	for {
		if c.closed.Load() {
			c.fr.Close()
			return nil, c.fault("receive", net.ErrClosed)
		}
		if c.interrupted() {
			return nil, transport.ErrInterrupted
		}
		if c.end != nil {
			return nil, c.end
		}
		if b, err := c.fr.Next(); b != nil || err != nil {
			return b, c.fail(err)
		}
		if err := c.src.fill(&c.fr, c.lull); err != nil && !c.closed.Load() {
			return nil, c.fail(err)
		}
	}
}

// interrupted takes a pending interrupt. The source is reset before the flag is taken,
// so that an interrupt in between wakes the receiver once too often, never not at all.
func (c *conn) interrupted() bool {
	if !c.flag.Load() {
		return false
	}
	c.src.reset()
	return c.flag.Swap(false)
}

// fail remembers and returns the final error of the receiving side, nil for nil.
func (c *conn) fail(err error) error {
	var fe *transport.FrameError
	switch {
	case err == nil || c.end != nil:
		return c.end
	case errors.As(err, &fe):
		c.end = fe
	case !errors.Is(err, io.EOF):
		c.end = c.fault("receive", err)
	case c.fr.Partial():
		c.end = io.ErrUnexpectedEOF
	default:
		c.end = io.EOF
	}
	c.fr.Close()
	return c.end
}

func (c *conn) fault(op string, err error) error {
	if c.closed.Load() {
		err = net.ErrClosed
	}
	return &transport.Error{Op: op, Endpoint: c.name, Err: err}
}

// PartWaits implements transport.PartWaiter.
func (c *conn) PartWaits(f func()) { c.part = f }

// quieten gives the chunk back if it is not needed while waiting, tells that a frame is there in
// part, and reports whether the chunk is gone.
func (c *conn) quieten() bool {
	part, gone := c.fr.Wait()
	if part && c.part != nil {
		c.part()
	}
	return gone
}

// Ready implements transport.Readier.
func (c *conn) Ready() bool { return c.end == nil && !c.closed.Load() && c.fr.Ready() }

// Interrupt implements transport.Interrupter.
func (c *conn) Interrupt() {
	if !c.flag.Swap(true) {
		c.src.wake()
	}
}

// Close implements transport.Conn.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return errors.Join(c.w.Close(), c.finish())
}
