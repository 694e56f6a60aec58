// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package socket

import (
	"net"

	"github.com/plexus-ipc/plexus/transport"
)

// plainConn reads and writes through package net; it cannot try to send.
type plainConn struct {
	*stream
	small [512]byte
}

func newPlainConn(nc net.Conn, remote string, local bool) *plainConn {
	c := &plainConn{stream: &stream{nc: nc, remote: remote, local: local}}
	c.fill = func() error { return c.fillFrom(c.small[:]) }
	return c
}

type unixConn struct{ *plainConn }

func newTCPConn(nc *net.TCPConn, remote string) (transport.Conn, error) {
	return newPlainConn(nc, remote, false), nil
}

func newUnixConn(nc *net.UnixConn, remote string) (transport.Conn, error) {
	return unixConn{newPlainConn(nc, remote, true)}, nil
}

// PeerCredentials implements transport.Credentialer: always unsupported here.
func (c unixConn) PeerCredentials() (transport.Credentials, error) { return credentialsOf(-1) }
