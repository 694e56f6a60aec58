// SPDX-License-Identifier: Apache-2.0

//go:build unix

package fd

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// inherit takes descriptor n over, as a connection or as a listener, and closes it under
// its own number, unless it is errNoSocket.
func inherit(n int) (net.Conn, net.Listener, error) {
	kind, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, nil, fmt.Errorf("%w at descriptor %d: %w", errNoSocket, n, err)
	}
	if kind != unix.SOCK_STREAM && kind != unix.SOCK_SEQPACKET {
		return nil, nil, fmt.Errorf("%w at descriptor %d: it carries datagrams", errNoSocket, n)
	}
	f := os.NewFile(uintptr(n), fmt.Sprintf("fd://%d", n))
	defer f.Close() // what is used is a copy that is not inherited
	if listens(n) {
		l, err := net.FileListener(f)
		return nil, l, err
	}
	nc, err := net.FileConn(f)
	return nc, nil, err
}

// listens reports whether a socket accepts connections.
func listens(n int) bool {
	v, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && v != 0
}
