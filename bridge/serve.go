// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Bind implements session.Router: the hub calls the guest, or sends it events.
func (g *guest) Bind(_ *session.Session, b wire.Bind) (session.Target, error) {
	switch b.Class {
	case wire.ClassMethod:
		return &target{g: g, bind: b}, nil
	case wire.ClassEvent, wire.ClassBroadcast:
		if !g.at.allows(b.Channel) {
			return nil, status.Errorf(status.PermissionDenied, "nothing of channel %s goes to hub %s by this bridge", b.Channel, g.at.other.hub)
		}
		return &target{g: g, bind: b}, nil
	}
	return nil, status.Errorf(status.Unimplemented, "a member of another hub takes no %s", session.Describe(b))
}

// target is a route to a guest.
type target struct {
	g    *guest
	bind wire.Bind
}

// InPlace implements session.InPlacer: what is only passed on is copied once.
func (t *target) InPlace() bool { return true }

// Receive implements session.Target: it passes an event on in the name of its sender. It gives
// the credit back when the receiver's hub has taken it.
func (t *target) Receive(s *session.Session, f *session.Frame) {
	g := t.g
	l, to := g.at.l, t.bind
	if t.bind.Class == wire.ClassEvent {
		to.Target = g.at.home(g.id)
	} else {
		l.mu.Lock()
		leads := g.at.leaders[t.bind.Channel] == g
		l.mu.Unlock()
		if !leads {
			return
		}
	}
	by := g.at.other.speaker(s.SourceName(f.Source), unknown)
	if by == nil {
		return
	}
	j := &job{bind: to, held: f.Hold()}
	if t.bind.Class == wire.ClassEvent {
		j.fail = func(err error) { s.Revoke(t, status.Convert(err)) }
	}
	j.m, j.buf = f.Keep()
	j.m.Source = 0
	by.put(j, false)
}

// Call implements session.Target: it passes a call on in the name of its caller.
func (t *target) Call(c *session.Call) {
	g := t.g
	from := g.at.other
	caller := c.Session().SourceName(c.Source)
	by := from.speaker(caller, unknown)
	if by == nil {
		c.Fail(&status.Error{Code: status.Unavailable, Message: "a call of " + caller + " does not reach hub " + from.hub + " by this bridge now"})
		return
	}
	g.at.l.b.count.calls.Add(1)
	to := t.bind
	to.Target = g.at.home(g.id)
	r := &relay{in: c.Session(), id: c.ID, by: by, bind: to}
	r.up.Ended = c.Flags&wire.FlagEnd != 0
	r.serve(c)
}
