// SPDX-License-Identifier: Apache-2.0

// Package directory answers the hub's first question: who is there? It knows which
// members are in which channels, who owns them, and which methods and topics they offer.
//
// It is pure: no goroutine, no lock, no clock. Whoever uses it guards it, and learns what
// followed from an operation as a list of Changes, in the order in which it happened. An
// operation that fails has changed nothing. Errors are *status.Error values.
package directory
