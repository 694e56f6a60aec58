// SPDX-License-Identifier: Apache-2.0

// Package mem connects two parties of one process: Pipe gives a pair of Conns, a
// Transport serves mem://name endpoints from a name space of its own.
//
// Everything works inside a testing/synctest bubble: waiting is done on sync.Cond and
// channels only, time comes from time.AfterFunc, and no goroutine is started. Faults script what a
// connection does to its frames, each direction for itself: the base of deterministic
// tests.
//
// Abilities: TrySend, Ready, Interrupt, RemoteAddress. There are no credentials: both
// ends are the same process.
package mem
