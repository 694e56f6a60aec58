// SPDX-License-Identifier: Apache-2.0

// Package service is what both ends of a conversation have in common above the session:
// Table, what this side offers (methods, event handlers, topics), and Channel, a handle
// on what the other side offers under one channel name. Client and server stand on it.
//
// package size: both ends of methods, events and topics share one table; calls, streams and the
// wire below are in session.
package service
