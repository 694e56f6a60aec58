// SPDX-License-Identifier: Apache-2.0

// Package balance answers the hub's question: who gets it? A Group is the providers of one
// method: it chooses one of them for each call, by a policy, counts the calls that each has
// in flight, and keeps the calls that wait because all who may take them have as many as
// they want.
//
//	Pick ──► Taken ──────────────────────────────► in flight ──► Done
//	  └────► Wait: Push ──► waiting ──► Next ─────────┘
//	                           └──────► Drop (the caller gave up), Remove and Drain
//
// It is pure: no goroutine, no lock, no clock. Whoever has a Group guards it, and asks Next
// until it has nothing more after each Done, Add, Remove and Resize.
package balance
