// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// codecJSON is codec.IDJSON, the codec of operations.
const codecJSON = 1

// operationRoute is a member's route to an operation.
type operationRoute struct {
	deaf
	serve func(m *Member, c *session.Call)
}

func (m *Member) bindOperation(b wire.Bind) (session.Target, error) {
	if b.Class != wire.ClassMethod {
		return nil, status.Errorf(status.PermissionDenied, "channel %s is the hub's own: it takes no events and no publications", b.Channel)
	}
	serve := operations[b.Name]
	if serve == nil || b.Target != "" {
		return nil, status.Errorf(status.UnknownMethod, "the hub has no operation %q", b.Name)
	}
	return &operationRoute{deaf{m}, serve}, nil
}

// Call implements session.Target.
func (r *operationRoute) Call(c *session.Call) { r.serve(r.m, c) }

// operations are all there are. The map is never written.
var operations = map[string]func(*Member, *session.Call){
	operation.Join: answer((*Member).join), operation.Leave: answer((*Member).quit),
	operation.Provide: answer((*Member).provide), operation.Withdraw: answer((*Member).withdraw),
	operation.Declare: answer((*Member).declare), operation.Retract: answer((*Member).retract),
	operation.Subscribe: (*Member).subscribe, operation.Watch: (*Member).watch,
	operation.Members: answer((*Member).list), operation.Kick: answer((*Member).kick),
	operation.Channels: answer((*Member).channels), operation.Explore: answer((*Member).explore),
	operation.Unlock: answer((*Member).unlock), operation.Password: answer((*Member).protect),
	operation.Status: answer(func(m *Member, _ operation.Empty) (operation.HubStatus, error) { return m.hub.Status(), nil }),
	operation.Stop:   (*Member).stopHub, operation.Tell: answer((*Member).tell),
	operation.Stats: answer(func(m *Member, _ operation.Empty) (operation.HubStats, error) { return m.hub.Stats(), nil }),
	operation.Link:  answer((*Member).linkUp), operation.Reload: (*Member).reload,

	operation.ListDeadLetters: slowly((*Member).listDeadLetters), operation.ShowDeadLetter: slowly((*Member).showDeadLetter),
	operation.ReplayDeadLetters: slowly((*Member).replayDeadLetters), operation.PurgeDeadLetters: slowly((*Member).purgeDeadLetters),
}

// answer makes an operation of a function from its request to its answer.
func answer[In, Out any](f func(m *Member, in In) (Out, error)) func(*Member, *session.Call) {
	return func(m *Member, c *session.Call) {
		var in In
		err := decode(c, &in, wire.Unary)
		var out Out
		if err == nil {
			out, err = f(m, in)
		}
		if err != nil {
			c.Fail(err)
			return
		}
		c.Reply(session.Message{Codec: codecJSON, Payload: encode(out)}) // a list that is too long fails the call
	}
}

// decode reads the request of an operation, which a peer has made.
func decode(c *session.Call, in any, shape wire.Shape) error {
	name := c.Route().Name
	if c.Shape() != shape {
		return status.Errorf(status.WrongShape, "the operation %s is a %s call, not %s", name, shape, c.Shape())
	}
	return guard.Request(name, c.Codec, c.Payload, in)
}

func (m *Member) join(in operation.Place) (out operation.Joined, err error) {
	err = m.change(nil, func(d *directory.Directory[*Member], now time.Time) ([]change, error) {
		if err := m.mayJoinLocked(d, in.Channel); err != nil {
			return nil, err
		}
		changes, err := d.Join(in.Channel, m, now)
		if c := d.Channel(in.Channel); err == nil {
			members, _, _ := c.Counts()
			out = operation.Joined{Channel: in.Channel, ID: m.id, Owner: c.Owner().id, Members: members}
		}
		return changes, err
	})
	return out, err
}

func (m *Member) quit(in operation.Place) (out operation.Empty, err error) {
	return out, m.change(nil, func(d *directory.Directory[*Member], _ time.Time) ([]change, error) {
		return d.Leave(in.Channel, m, "")
	})
}

func (m *Member) provide(in operation.Offer) (out operation.Empty, err error) {
	checks, warning, err := m.hub.cfg.Schemas.Offer(&in)
	if err == nil {
		err = guard.Sharing(&in)
	}
	if err != nil {
		return out, err
	}
	m.unchecked(warning)
	terms := directory.Terms{Shape: in.Shape, Input: string(in.Input), Output: string(in.Output), Sharing: in.Sharing}
	var own bool
	return out, m.change(nil, func(d *directory.Directory[*Member], now time.Time) (changes []change, err error) {
		if err := m.mayOffer(auth.VerbProvide, in.Channel, in.Method); err != nil {
			return nil, err
		}
		if err := m.mayOfferLocked(d, in.Channel, in.Method, false); err != nil {
			return nil, err
		}
		changes, own, err = d.Provide(in.Channel, in.Method, terms, m, now)
		return changes, err
	}, func() {
		if own {
			m.hub.checkLocked(place{in.Channel, in.Method}, checks)
		}
	})
}

func (m *Member) withdraw(in operation.Offer) (out operation.Empty, err error) {
	return out, m.change(nil, func(d *directory.Directory[*Member], _ time.Time) ([]change, error) {
		return d.Withdraw(in.Channel, in.Method, m)
	})
}

func (m *Member) declare(in operation.Topic) (out operation.Empty, err error) {
	if err := guard.Topic(&in); err != nil {
		return out, err
	}
	checks, warning, err := m.hub.cfg.Schemas.Topic(&in)
	if err != nil {
		return out, err
	}
	m.unchecked(warning)
	var own bool
	at := place{in.Channel, in.Name}
	terms := directory.Terms{Input: string(in.Schema), Keep: directory.Keep{Values: in.Keep, Age: seconds(in.KeepAge)}}
	return out, m.change(nil, func(d *directory.Directory[*Member], now time.Time) (_ []change, err error) {
		if err := m.mayOffer(auth.VerbDeclare, in.Channel, in.Name); err != nil {
			return nil, err
		}
		if err := m.mayOfferLocked(d, in.Channel, in.Name, true); err != nil {
			return nil, err
		}
		var changes []change
		changes, own, err = d.Declare(in.Channel, in.Name, in.Shared, terms, m, now)
		return changes, err
	}, func() {
		if own {
			m.hub.topics[at].checks.Store(checks)
			m.hub.keepLocked(at, &in)
		}
	})
}

func (m *Member) retract(in operation.Topic) (out operation.Empty, err error) {
	return out, m.change(nil, func(d *directory.Directory[*Member], _ time.Time) ([]change, error) {
		return d.Retract(in.Channel, in.Name, m)
	})
}

func (m *Member) list(in operation.Place) (out operation.MemberList, err error) {
	if in.Channel != "" {
		if err := guard.Named(in.Channel); err != nil {
			return out, err
		}
	}
	h := m.hub
	out = operation.MemberList{Channel: in.Channel, Members: []operation.Member{}}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if err := h.mayLocked(in.Channel, m); err != nil {
		return out, err
	}
	now := h.cfg.Now()
	if in.Channel == "" {
		for _, o := range h.members {
			if o != nil && m.seesLocked(o) {
				out.Members = append(out.Members, o.describeLocked(now.Sub(o.s.Began())))
			}
		}
		slices.SortFunc(out.Members, func(a, b operation.Member) int { return int(b.Age*1e6) - int(a.Age*1e6) })
		return out, nil
	}
	c := h.dir.Channel(in.Channel)
	if c == nil {
		return out, status.Errorf(status.NotFound, "there is no channel %q", in.Channel)
	}
	out.Protected = h.locks.byName[in.Channel] != nil
	for _, o := range c.Members() {
		since, methods, topics, _ := c.Seat(o)
		d := o.describeLocked(now.Sub(since))
		d.Owner, d.Methods, d.Groups, d.Topics = o == c.Owner(), methods, c.Groups(methods), topics
		out.Members = append(out.Members, d)
	}
	return out, nil
}

func (m *Member) describeLocked(age time.Duration) operation.Member {
	p := m.s.Peer()
	return operation.Member{
		ID: m.id, Identity: p.Identity.Name, Product: p.Product, Address: p.Address, Metadata: p.Metadata, Age: max(age.Seconds(), 0),
		Session: m.life(), Path: m.pathLocked(),
	}
}
