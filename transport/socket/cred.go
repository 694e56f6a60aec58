// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/plexus-ipc/plexus/transport"
)

// noCredentials comes along with an error.
var noCredentials = transport.Credentials{UID: -1, GID: -1}

// PeerCredentials returns who the kernel says is at the other end of a connection from
// DialStream or ListenStream, as transport.Credentialer does for a Conn. Anything but a
// unix socket is errors.ErrUnsupported.
func PeerCredentials(c net.Conn) (transport.Credentials, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return noCredentials, unsupported(fmt.Sprintf("peer credentials of a %T", c))
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return noCredentials, err
	}
	return credentials(raw)
}

func credentials(raw syscall.RawConn) (c transport.Credentials, err error) {
	if e := raw.Control(func(fd uintptr) { c, err = credentialsOf(int(fd)) }); e != nil {
		return noCredentials, e
	}
	return c, err
}

// PeerProcess returns a pidfd of the process that the kernel says is at the other end of a
// unix connection from DialStream or ListenStream: it stands for that process and never for
// another that got its number later, can be signalled, and becomes readable when the process
// ends. It is the caller's to close. Who may do what is still decided by the user, see
// PeerCredentials: a process may have passed its end on. Where there is none (not Linux 6.5,
// not a unix socket) it is errors.ErrUnsupported; a process that has gone is an error, too.
func PeerProcess(c net.Conn) (p *os.File, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, unsupported(fmt.Sprintf("the process behind a %T", c))
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, err
	}
	if e := raw.Control(func(fd uintptr) { p, err = processOf(int(fd)) }); e != nil {
		return nil, e
	}
	return p, err
}
