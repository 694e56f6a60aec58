// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/tls"

	"github.com/plexus-ipc/plexus/transport"
)

// proved returns what the peer has proved to a transport with a handshake of its own: by
// TLS, or a name in another way.
func proved(conn transport.Conn) (state *tls.ConnectionState, name string) {
	if c, ok := conn.(transport.Certifier); ok {
		s := c.TLSState()
		state = &s
	}
	if n, ok := conn.(transport.Namer); ok {
		name = n.PeerName()
	}
	return state, name
}
