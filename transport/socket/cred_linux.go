// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// credentialsOf asks the kernel who connected, or who listens.
func credentialsOf(fd int) (transport.Credentials, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return noCredentials, err
	}
	return transport.Credentials{UID: int(c.Uid), GID: int(c.Gid), PID: int(c.Pid)}, nil
}
