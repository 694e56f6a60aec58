// SPDX-License-Identifier: Apache-2.0

// Package fd is the driver for fd://N: a socket that this process has inherited as
// descriptor N from the one that started it.
//
//	connected stream socket (unix, tcp, unixpacket)   Dial, or Listen, which accepts once
//	listening socket                                   Listen
//
// A descriptor is taken once: it is closed under its own number and lives on under
// another, which no further child inherits. Because the number may then belong to
// something else, a second use of it is refused with transport.ErrInUse, for the life of
// the process. 0, 1 and 2 are refused: that is what stdio: is for. A Listener that is
// closed before its Accept ends the connection.
//
// What the Conns can do is what those of the same kind of socket can do, see package
// socket. There are no inherited sockets on Windows: errors.ErrUnsupported.
package fd
