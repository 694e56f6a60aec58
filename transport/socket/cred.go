// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"fmt"
	"net"
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
