// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"net"
	"syscall"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// tcpConn and unixConn extend the one implementation, they do not wrap a Conn: what
// rawStream offers is exactly what they offer.
type tcpConn struct{ *rawStream }

type unixConn struct{ *rawStream }

func newTCPConn(nc *net.TCPConn, remote string) (transport.Conn, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, err
	}
	return tcpConn{newRawStream(nc, raw, remote, false)}, nil
}

func newUnixConn(nc *net.UnixConn, remote string) (transport.Conn, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, err
	}
	return unixConn{newRawStream(nc, raw, remote, true)}, nil
}

// PeerCredentials implements transport.Credentialer.
func (c unixConn) PeerCredentials() (transport.Credentials, error) { return credentials(c.raw) }

// SyscallConn implements syscall.Conn: the socket itself, for options and descriptors. It
// stays the Conn's.
func (c unixConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// Detach implements transport.Detacher: the connection is a *net.UnixConn.
func (c unixConn) Detach() (net.Conn, []byte, error) {
	if c.closed.Swap(true) {
		return nil, nil, sendError(net.ErrClosed, c.remote)
	}
	rest := c.fr.Rest()
	c.fr.Close()
	_ = c.nc.SetReadDeadline(time.Time{}) // of an interrupt; fails only after Close
	return c.nc, rest, nil
}
