// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/wire"
)

// bind gives a route of the member its meaning. What it may do is decided here.
func (m *Member) bind(b wire.Bind) (session.Target, error) {
	if b.Channel == operation.Channel {
		return m.bindOperation(b)
	}
	if err := checkNames(b); err != nil {
		return nil, err
	}
	switch b.Class {
	case wire.ClassMethod:
		return &caller{m: m, bind: b}, nil
	case wire.ClassEvent:
		return m.bindEvent(b)
	case wire.ClassBroadcast:
		return m.bindBroadcast(b)
	case wire.ClassTopic:
		return m.bindTopic(b)
	}
	return nil, status.Errorf(status.Unimplemented, "the hub knows no routes of class %d", b.Class)
}

// checkNames judges the names in b, all of which come from a peer.
func checkNames(b wire.Bind) error {
	err := subject.ValidateChannel(b.Channel)
	if err == nil && b.Class == wire.ClassTopic {
		err = subject.ValidateTopic(b.Name)
	} else if err == nil {
		err = subject.ValidateMethod(b.Name)
	}
	if err == nil && b.Target != "" {
		err = subject.ValidateMember(b.Target)
	}
	if err != nil {
		return status.Errorf(status.InvalidArgument, "%w", err)
	}
	return nil
}

// noCalls is the part of a Target that serves no calls. The session gives it none: it is
// bound by routes of other classes; a peer that calls on one is told so.
type noCalls struct{}

// Call implements session.Target.
func (noCalls) Call(c *session.Call) {
	c.Fail(status.Errorf(status.InvalidArgument, "%s is not to be called: bind a method", session.Describe(c.Route())))
}

// Receive of a method's route: a peer that sends events there is not heard.
func (r *caller) Receive(*session.Session, *session.Frame) { r.m.hub.count.events.drop(dropMisrouted) }
