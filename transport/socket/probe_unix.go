// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// socketKind is the type of socket for a scheme.
func socketKind(scheme string) (int, error) {
	switch scheme {
	case "unix":
		return unix.SOCK_STREAM, nil
	case "unixpacket":
		if runtime.GOOS == "linux" {
			return unix.SOCK_SEQPACKET, nil
		}
	case "unixgram":
		if runtime.GOOS == "linux" || runtime.GOOS == "darwin" {
			return unix.SOCK_DGRAM, nil
		}
	}
	return 0, unsupported(scheme)
}

// probe connects to path without waiting and hangs up. nil and EAGAIN: somebody is
// there; ECONNREFUSED: nobody.
func probe(kind int, path string) error {
	fd, err := newSocket(kind)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return connect(fd, path)
}

func connect(fd int, address string) error {
	for {
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: address})
		if err != unix.EINTR {
			return err
		}
	}
}

// byWhom says who serves a name, as far as the kernel tells.
func byWhom(kind int, address string) string {
	fd, err := newSocket(kind)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	if connect(fd, address) != nil {
		return ""
	}
	if c, err := credentialsOf(fd); err == nil && c.PID > 0 {
		return fmt.Sprintf(" by pid %d of user %d", c.PID, c.UID)
	}
	return ""
}
