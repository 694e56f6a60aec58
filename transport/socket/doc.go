// SPDX-License-Identifier: Apache-2.0

// Package socket carries frames over sockets: unix (stream), unixpacket (SEQPACKET,
// Linux), unixgram (datagrams, Linux and macOS), tcp and tls.
//
// # Abilities
//
//	             TrySend Ready Interrupt PeerCredentials ChannelBinding RemoteAddress
//	unix            x      x       x            x                            x
//	unixpacket      x      x       x            x                            x
//	unixgram        x      x       x            x                            x
//	tcp             x      x       x                                         x
//	tls                    x       x                           x             x
//
// A unix Conn can also be detached, to make something else of its connection, and is a
// syscall.Conn, except on Windows.
//
// On Windows unix and tcp have no TrySend and PeerCredentials is unsupported;
// unixpacket and unixgram exist where the table's first lines say so, elsewhere Dial and
// Listen fail with errors.ErrUnsupported.
//
// Send, TrySend and Recv of unix, unixpacket, unixgram and tcp allocate nothing. A Conn
// that waits for its peer holds no receive buffer.
//
// Small buffers in Options are no way to bound memory on TCP: over loopback, whose packets
// have 64 KiB, a frame of 68 KiB takes about a second with buffers of 4 KiB.
//
// # Listening at a path
//
// The socket file has its final owner, group and mode (0600 unless asked otherwise)
// before anybody can connect. On Linux it has never had a wider one, not even for an
// instant; elsewhere the file may show the mode of the umask between bind and listen,
// when the kernel still refuses every connection.
//
// For its whole life a listener holds a lock on the file path + ".lock", which is never
// removed and contains the process id of the holder. Whoever has the lock, and
// nobody else, judges what lies at the path: a socket of our own user at which a
// connection is refused is left over from a crash and is removed; anything else stays
// and Listen fails with transport.ErrInUse or transport.ErrForeign. A missing directory
// is created for the owner alone (one level); a directory that everybody can write to
// and that is not sticky is refused with ErrUnsafe. Close removes the file only if it is
// still the one that Listen made.
//
// Abstract names (Linux) have no owner and no mode: every process of the network name
// space can connect, and anybody can take the name first. Look at PeerCredentials.
//
// # Packets
//
// unixpacket and unixgram carry one or more whole frames per packet, so TrySend stops
// only between two frames, and a packet that is no run of whole frames is a
// *transport.FrameError. Buffer sizes in Options are raised to what a frame needs.
//
// unixgram connects two datagram sockets to each other, so that the kernel delivers
// between these two only and wakes a sender that waits: the dialler sends a request from
// a socket with a name of its own, the listener's Accept answers from a new one. Dial
// therefore returns only after Accept. The names are abstract on Linux; on macOS they are
// paths in the user's temporary directory, so that both sides must be the same user, a
// killed process leaves its path behind, and there are no peer credentials.
//
// A datagram peer that closes says so with a last datagram. One that is killed is noticed
// by the next send, which fails with ECONNREFUSED, and not by a pending receive: use a
// heartbeat. Requests that nobody accepts yet are limited by net.unix.max_dgram_qlen;
// Dial then tries again as it does with a full backlog.
//
// package size: five kinds of socket on three systems, each with files of its own.
package socket
