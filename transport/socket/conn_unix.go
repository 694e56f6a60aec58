// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"net"

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
