// SPDX-License-Identifier: Apache-2.0

package transport

// Namer is offered by a Conn whose own handshake has shown who the peer is, without a
// certificate.
type Namer interface {
	// PeerName returns the name that the peer has proved, with the kind before a colon:
	// "noise:" and the fingerprint of its key. It is "" where the handshake is not over, or has
	// proved no name.
	PeerName() string
}
