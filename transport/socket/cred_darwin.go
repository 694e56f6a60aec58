// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// credentialsOf asks the kernel who connected, or who listens. The process id is 0 if
// the kernel does not tell.
func credentialsOf(fd int) (transport.Credentials, error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return noCredentials, err
	}
	pid, _ := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
	return transport.Credentials{UID: int(c.Uid), GID: int(c.Groups[0]), PID: pid}, nil
}
