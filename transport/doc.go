// SPDX-License-Identifier: Apache-2.0

// Package transport is the seam between Plexus and what carries its bytes: Conn,
// Listener and Transport, the Buffer that owns message bytes, the Framer that cuts a
// byte stream into frames, and Set, a table of drivers by scheme.
//
// The drivers are packages below this one. Each passes the suite in
// transporttest. This package has no state and starts no goroutine.
package transport
