// SPDX-License-Identifier: Apache-2.0

//go:build unix

package noise

import (
	"fmt"
	"io"
	"syscall"

	"github.com/plexus-ipc/plexus/internal/patience"
	"github.com/plexus-ipc/plexus/transport"
)

// below goes to the descriptor itself: reads in order to hold no memory while waiting and
// to poll for a moment, writes in order to try without blocking. The two functions that the
// runtime calls back are bound once: nothing is allocated later.
//
// This is the hot path of the package.
type below struct {
	raw syscall.RawConn

	// Owned by the goroutine that receives.
	onRead  func(fd uintptr) bool
	readErr error
	wait    patience.Patience
	polls   int // what is left of them before the next wait

	// Owned by who has the turn.
	onWrite  func(fd uintptr) bool
	writeErr error
}

// tryConn is a conn that can try.
type tryConn struct{ *conn }

// offer returns the Conn with what it can do on this system.
func (c *conn) offer() (transport.Conn, error) {
	sc, ok := c.nc.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a connection of type %T has no descriptor", c.nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c.raw, c.onRead, c.onWrite = raw, c.tryRead, c.tryWrite
	return tryConn{c}, nil
}

// read brings ciphertext into the chunk.
func (c *conn) read() error {
	c.polls = c.wait.Polls(c.frames)
	c.frames = 0
	if err := c.raw.Read(c.onRead); err != nil {
		return err
	}
	return c.readErr
}

// tryRead reads once without blocking; false makes the runtime wait and call again.
func (c *conn) tryRead(fd uintptr) bool {
	n, err := readOnce(int(fd), c.space())
	if err == syscall.EAGAIN && c.polls > 0 && c.wait.Begin() { //nolint:errorlint // a bare errno, on the hot path
		n, err = c.poll(int(fd))
	}
	if err == syscall.EAGAIN { //nolint:errorlint // as above
		c.idle()
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	c.w += max(n, 0)
	c.readErr = err
	return true
}

// poll reads again and again for a moment and lets the peer have the processor in between.
func (c *conn) poll(fd int) (n int, err error) {
	p := c.space()
	for err = syscall.EAGAIN; c.polls > 0 && err == syscall.EAGAIN; c.polls-- { //nolint:errorlint // as above
		patience.Yield()
		n, err = readOnce(fd, p)
	}
	c.polls = 0
	c.wait.Done(err != syscall.EAGAIN) //nolint:errorlint // as above
	return n, err
}

// readOnce returns a nil interface, never a zero Errno.
func readOnce(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// Crowd implements transport.Crowder.
func (c tryConn) Crowd(f func() bool) { c.wait.Crowd = f }

// TrySend implements transport.TrySender. What has been encrypted must be sent, and nothing
// else can be in its place: so while any of it is pending, all but one byte of its plaintext counts
// as taken, and the caller comes again with the rest.
func (c tryConn) TrySend(p []byte) (int, error) {
	if err := c.takeTurn(); err != nil {
		return 0, c.failed("send", err)
	}
	defer c.giveTurn()
	taken := 0
	for len(c.pending) > 0 || taken < len(p) {
		if len(c.pending) == 0 {
			if err := c.encrypt(p[taken:]); err != nil {
				return taken, c.broke(err)
			}
		}
		if err := c.flush(); err != nil {
			return taken, c.broke(err)
		}
		if len(c.pending) > 0 {
			taken += c.owed - 1
			c.owed = 1
			return taken, nil
		}
		taken += c.owed
		c.written()
	}
	return taken, nil
}

// flush writes what of the pending bytes can be taken now.
func (c *conn) flush() error {
	c.writeErr = nil
	if err := c.raw.Write(c.onWrite); err != nil {
		return err
	}
	return c.writeErr
}

// tryWrite writes what fits now. It never asks the runtime to wait.
func (c *conn) tryWrite(fd uintptr) bool {
	for len(c.pending) > 0 {
		n, err := syscall.Write(int(fd), c.pending)
		switch err {
		case nil:
			c.pending = c.pending[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			c.writeErr = err
			return true
		}
	}
	return true
}
