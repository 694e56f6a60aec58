// SPDX-License-Identifier: Apache-2.0

// Package shm carries frames through shared memory, between processes of the same user on
// Linux. Two sides meet at a unix socket, through a driver that is given to New, and make
// of that connection a faster one in the UPGRADE step of the handshake: docs/protocol.md
// says how. Where that cannot be (another user, no sealed memory, no descriptors, a peer
// that does not know it) the socket goes on, with a reason in the log.
//
// # Abilities
//
//	                TrySend Ready Interrupt PeerCredentials RemoteAddress Upgrade Batch Poll Lend
//	before upgrade     x      x       x            x              x          x
//	after it           x      x       x            x              x               x     x    x
//
// Send, TrySend and Recv allocate nothing, and TrySend stops between two frames only.
// Blocks of 16 KiB to 64 MiB can be lent.
//
// # Waiting
//
// Recv, and a Send whose ring is full, poll for Options.Spin before they sleep: some polls
// on the core alone, then with sched_yield, so that a peer on the same core runs at once.
// If that has been in vain a few times they mostly sleep at once. A sleeping goroutine is
// parked in the runtime's poller on the unix socket, where the peer rings by one byte, and
// where its death shows. So an idle connection costs no processor time.
//
// # Memory
//
// Each side has one object of 20 KiB and its ring (Options.Ring, 256 KiB unless set
// otherwise), all of it allocated when the connection is made, and arenas for lent blocks,
// made on demand, bounded by Options.Arenas and dropped after Options.Idle without use. No
// descriptor but the socket's stays open.
//
// Whoever is lent a block must borrow and release it, even if the message is dropped: the
// lender has it back no sooner, except by the end of the connection.
//
// # Trust
//
// A side writes into objects of its own only; the peer maps them for reading, after it has
// made sure that their size and pages cannot go away. Positions, lengths and names that
// come from the peer are loaded once and checked; frames are copied before anything looks
// into them. What no honest peer does is ErrPeer, and ends the connection, not the process.
//
// package size: ring, arenas and control socket are one connection with one end, which each
// part has to survive; cut apart they would have to tell each other of it.
package shm
