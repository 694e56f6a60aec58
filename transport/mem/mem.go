// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"errors"
	"io"
	"net"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/transport"
)

// Conn is one end of an in-process connection. Bytes given to Send are copied once, into
// the Buffer that the other end receives and owns alone.
type Conn struct {
	out, in *line
	remote  string
	closed  atomic.Bool
}

var (
	_ transport.Conn        = (*Conn)(nil)
	_ transport.TrySender   = (*Conn)(nil)
	_ transport.Readier     = (*Conn)(nil)
	_ transport.Interrupter = (*Conn)(nil)
	_ transport.Addresser   = (*Conn)(nil)
)

// Pipe returns the two ends of a new connection without faults; see Conn.SetFaults.
func Pipe() (a, b *Conn) { return pipe("") }

func pipe(remote string) (a, b *Conn) {
	ab, ba := newLine(), newLine()
	return &Conn{out: ab, in: ba, remote: remote}, &Conn{out: ba, in: ab}
}

// SetFaults replaces the script for the frames that this end sends from now on; Delay,
// Stall and Capacity concern those under way, too, as far as that can be. It may be
// called at any time from any goroutine.
func (c *Conn) SetFaults(f Faults) { c.out.setFaults(f) }

// Cut breaks the connection at once, as the sudden death of either process would: both
// ends receive what is under way, then io.EOF or io.ErrUnexpectedEOF, and can send
// nothing any more.
func (c *Conn) Cut() {
	c.out.finishSending(io.EOF)
	c.in.finishSending(io.EOF)
}

// Send implements transport.Conn. It waits while the line is full.
func (c *Conn) Send(p []byte) error {
	cut, err := c.out.send(p)
	if cut {
		c.Cut()
	}
	return c.sendError(err)
}

// TrySend implements transport.TrySender. It stops inside a frame if the line is full.
func (c *Conn) TrySend(p []byte) (int, error) {
	n, cut, err := c.out.try(p)
	if cut {
		c.Cut()
	}
	return n, c.sendError(err)
}

func (c *Conn) sendError(err error) error {
	if err == nil {
		return nil
	}
	if c.closed.Load() {
		err = net.ErrClosed
	}
	return &transport.Error{Op: "send", Endpoint: c.name(), Err: err}
}

// Recv implements transport.Conn. The Buffer is private to the caller.
func (c *Conn) Recv() (*transport.Buffer, error) {
	b, err := c.in.recv()
	if errors.Is(err, net.ErrClosed) {
		err = &transport.Error{Op: "receive", Endpoint: c.name(), Err: err}
	}
	return b, err
}

// Ready implements transport.Readier.
func (c *Conn) Ready() bool { return c.in.ready() }

// Interrupt implements transport.Interrupter.
func (c *Conn) Interrupt() { c.in.interrupt() }

// RemoteAddress implements transport.Addresser: the endpoint that was dialled, else "".
func (c *Conn) RemoteAddress() string { return c.remote }

func (c *Conn) name() string {
	if c.remote == "" {
		return "mem"
	}
	return c.remote
}

// Close implements transport.Conn.
func (c *Conn) Close() error {
	if !c.closed.Swap(true) {
		c.out.finishSending(io.EOF)
		c.in.finishReceiving()
	}
	return nil
}
