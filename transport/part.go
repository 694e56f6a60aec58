// SPDX-License-Identifier: Apache-2.0

package transport

// PartWaiter is offered by a Conn over a byte stream, where a frame may come in parts.
type PartWaiter interface {
	// PartWaits gives the Conn a function that it calls whenever Recv begins to wait for
	// the rest of a frame of which a part has come, and again for each further part that
	// does not complete it. It is called by the goroutine that receives. PartWaits is
	// called at most once, while nobody else uses the Conn; f must be fast and not block.
	PartWaits(f func())
}

// TellsDeath reports whether the operating system tells at once, on connections of an
// endpoint's scheme, that the process at the other end has died. Where it does not, only a
// heartbeat finds out: the peer's machine may have lost its power or its network.
func TellsDeath(scheme string) bool {
	switch scheme {
	case "tcp", "tls", "noise+tcp", "unixgram", "ws", "wss":
		return false
	}
	return true
}
