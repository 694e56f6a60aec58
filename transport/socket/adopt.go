// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"net"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Adopt returns a Conn over a connection that was made in another way: inherited, passed
// as a descriptor. nc is a *net.UnixConn (stream or SEQPACKET), a *net.TCPConn or a
// *tls.Conn, and belongs to the Conn from now on; after an error it still is the caller's.
// remote is what Conn's RemoteAddress returns.
func Adopt(nc net.Conn, remote string) (transport.Conn, error) { return newConn(nc, remote) }

// AdoptListener returns a Listener over one that was made in another way. Its Close closes
// l, and removes nothing from the file system that l itself does not remove.
func AdoptListener(l net.Listener, ep endpoint.Endpoint) transport.Listener {
	return frameListener{&listener{Listener: l, ep: ep}}
}
