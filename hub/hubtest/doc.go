// SPDX-License-Identifier: Apache-2.0

// Package hubtest is a hub with members in memory, for the tests of programs that use one:
// no socket, no daemon, no temporary file, and faults by script.
//
//	func TestMain(m *testing.M) { hubtest.Main(m) } // finds what tests leave behind
//
//	func TestOrders(t *testing.T) {
//		h := hubtest.New(t, nil)
//		shop, customer := h.Join("shop"), h.Join("customer")
//		…                        // each is a *plexus.Client
//		shop.Cut()               // as if its process had died
//	}
//
// Everything works inside a testing/synctest bubble, where delays cost no time. A Member is
// a real client with a real session, so its messages pass through the same code, rules and
// limits as those of a process; only the bytes go through transport/mem.
//
// What New and Join have made is closed at the end of the test, and the hub's books are
// then looked at: nobody may be left, and every publication that was meant for somebody
// must have been delivered, or dropped and counted.
package hubtest
