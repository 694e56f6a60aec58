// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// bind gives a route of the member its meaning. What it may do is decided here.
func (m *Member) bind(b wire.Bind) (session.Target, error) {
	if b.Channel == operation.Channel {
		return m.bindOperation(b)
	}
	if err := guard.Route(b); err != nil {
		return nil, err
	}
	switch b.Class {
	case wire.ClassMethod:
		return &caller{deaf: deaf{m}, bind: b}, nil
	case wire.ClassEvent:
		return m.bindEvent(b)
	case wire.ClassBroadcast:
		return m.bindBroadcast(b)
	case wire.ClassTopic:
		return m.bindTopic(b)
	}
	return nil, status.Errorf(status.Unimplemented, "the hub knows no routes of class %d", b.Class)
}

// noCalls is the part of a Target that serves no calls. The session gives it none: it is
// bound by routes of other classes; a peer that calls on one is told so.
type noCalls struct{}

// Call implements session.Target.
func (noCalls) Call(c *session.Call) {
	c.Fail(status.Errorf(status.InvalidArgument, "%s is not to be called: bind a method", session.Describe(c.Route())))
}

// deaf is the part of a member's Target that takes no messages: one sent there is not heard.
type deaf struct{ m *Member }

// Receive implements session.Target.
func (d deaf) Receive(*session.Session, *session.Frame) {
	d.m.hub.count.events.Drop(deadletter.Misrouted)
}
