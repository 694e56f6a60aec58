// SPDX-License-Identifier: Apache-2.0

package session

import "github.com/plexus-ipc/plexus/wire"

// What the layers above need of package wire, under the session's name: they know routes
// and shapes, not bytes.
type (
	// Bind is the meaning of a route.
	Bind = wire.Bind
	// Class says what a route leads to.
	Class = wire.Class
	// Shape says which streams a call has.
	Shape = wire.Shape
	// Pair is a header: a key and its value.
	Pair = wire.Pair
	// Once numbers a call that may be sent again.
	Once = wire.Once
)

// The classes of routes and the shapes of calls, see package wire.
const (
	ClassMethod    = wire.ClassMethod
	ClassEvent     = wire.ClassEvent
	ClassBroadcast = wire.ClassBroadcast
	ClassTopic     = wire.ClassTopic
	ClassLabel     = wire.ClassLabel

	Unary        = wire.Unary
	ServerStream = wire.ServerStream
	ClientStream = wire.ClientStream
	Duplex       = wire.Duplex
)
