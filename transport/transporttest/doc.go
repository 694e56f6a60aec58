// SPDX-License-Identifier: Apache-2.0

// Package transporttest is the suite that every transport passes, also one that is
// written elsewhere:
//
//	func TestTransport(t *testing.T) {
//		transporttest.Test(t, transporttest.Factory{
//			Pair:      func(t testing.TB) (a, b transport.Conn) { return mine.Pipe() },
//			Abilities: []transporttest.Ability{transporttest.Ready},
//		})
//	}
//
// A Factory declares what the transport offers and where it differs. Nothing is skipped
// silently: a Conn that offers more or less than declared fails, and what a declaration
// makes impossible to test is logged.
//
// Each test runs with all abilities of the Conn (full) and with none but Send, Recv and
// Close (bare), and looks for leaked goroutines and descriptors at its end.
package transporttest
