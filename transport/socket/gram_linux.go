// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// receiveFlags take a datagram without waiting; no child inherits a descriptor that comes along.
const receiveFlags = unix.MSG_DONTWAIT | unix.MSG_CMSG_CLOEXEC

// nameGram lets the kernel choose an abstract name that is not in use.
func nameGram(fd int) (path string, err error) {
	return "", unix.Bind(fd, &unix.SockaddrUnix{})
}

// passCredentials makes the kernel add the sender's credentials to each datagram.
func passCredentials(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
}

// parseCredentials finds what passCredentials asked for.
func parseCredentials(oob []byte) (transport.Credentials, error) {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return noCredentials, err
	}
	for i := range list {
		if c, err := unix.ParseUnixCredentials(&list[i]); err == nil {
			return transport.Credentials{UID: int(c.Uid), GID: int(c.Gid), PID: int(c.Pid)}, nil
		}
	}
	return noCredentials, unsupported("credentials of this datagram")
}
