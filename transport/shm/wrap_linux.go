// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/plexus-ipc/plexus/transport"
)

// here says whether memory can be shared safely on this system.
const here = true

// socketConn is what the base's Conns must be able to do to be upgraded.
type socketConn interface {
	transport.Conn
	transport.TrySender
	transport.Readier
	transport.Interrupter
	transport.Credentialer
	transport.Addresser
	transport.Detacher
	transport.PartWaiter
	syscall.Conn
}

// wrap adds the offer of an upgrade to a Conn, if it can be upgraded at all.
func (t *Transport) wrap(c transport.Conn, remote string) transport.Conn {
	s, ok := c.(socketConn)
	if !ok {
		return c
	}
	if remote == "" {
		remote = s.RemoteAddress()
	}
	return &conn{base: s, opts: t.opts, remote: remote}
}

// conn is a Conn over the socket that can be upgraded. Its abilities are the base's.
//
//	plain ── OfferUpgrade ──► offered ── Recv: descriptors, then the answer ──► answered ── finish ──► over
//	  └───── AcceptUpgrade: descriptors ───────────────────────────────────────────────────────────► over
//
// A refusal leads back to plain.
type conn struct {
	base   socketConn
	opts   Options
	remote string
	offer  atomic.Pointer[offer] // at the dialling end, from OfferUpgrade to the answer

	mu       sync.Mutex
	closed   bool
	upgraded *Conn         // closed along with this one
	socket   *net.UnixConn // of an accepting end, on which the answer still travels
}

// Send implements transport.Conn.
func (c *conn) Send(p []byte) error {
	c.mu.Lock()
	socket := c.socket
	c.mu.Unlock()
	if socket == nil {
		return c.base.Send(p)
	}
	if _, err := socket.Write(p); err != nil {
		return &transport.Error{Op: "send", Endpoint: c.remote, Err: err}
	}
	return nil
}

// Recv implements transport.Conn.
func (c *conn) Recv() (*transport.Buffer, error) {
	if o := c.offer.Load(); o != nil {
		if b, err := o.recv(c); b != nil || err != nil {
			return b, err
		}
	}
	return c.base.Recv()
}

// TrySend implements transport.TrySender.
func (c *conn) TrySend(p []byte) (int, error) { return c.base.TrySend(p) }

// Ready implements transport.Readier.
func (c *conn) Ready() bool { return c.base.Ready() }

// Interrupt implements transport.Interrupter.
func (c *conn) Interrupt() { c.base.Interrupt() }

// PartWaits implements transport.PartWaiter.
func (c *conn) PartWaits(f func()) { c.base.PartWaits(f) }

// PeerCredentials implements transport.Credentialer.
func (c *conn) PeerCredentials() (transport.Credentials, error) { return c.base.PeerCredentials() }

// RemoteAddress implements transport.Addresser.
func (c *conn) RemoteAddress() string { return c.remote }

// Close implements transport.Conn. After the upgrade it closes the new Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	upgraded := c.upgraded
	c.mu.Unlock()
	if upgraded != nil {
		return upgraded.Close()
	}
	err := c.base.Close() // whoever exchanges descriptors comes back
	c.withdraw()
	return err
}
