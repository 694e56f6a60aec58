// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"slices"
	"time"

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
	serve := operationOf(b.Name)
	if serve == nil || b.Target != "" {
		return nil, status.Errorf(status.UnknownMethod, "the hub has no operation %q", b.Name)
	}
	return &operationRoute{deaf{m}, serve}, nil
}

// Call implements session.Target.
func (r *operationRoute) Call(c *session.Call) { r.serve(r.m, c) }

// operationOf returns what serves an operation, nil if there is none of the name.
func operationOf(name string) func(*Member, *session.Call) {
	switch name {
	case operation.Join:
		return answer((*Member).join)
	case operation.Leave:
		return answer((*Member).quit)
	case operation.Provide:
		return answer((*Member).provide)
	case operation.Withdraw:
		return answer((*Member).withdraw)
	case operation.Declare:
		return answer((*Member).declare)
	case operation.Retract:
		return answer((*Member).retract)
	case operation.Subscribe:
		return (*Member).subscribe
	case operation.Watch:
		return (*Member).watch
	case operation.Members:
		return answer((*Member).list)
	case operation.Channels:
		return answer((*Member).channels)
	case operation.Kick:
		return answer((*Member).kick)
	case operation.Status:
		return answer(func(m *Member, _ operation.Empty) (operation.HubStatus, error) { return m.hub.Status(), nil })
	case operation.Stop:
		return answer((*Member).stopHub)
	}
	return nil
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
	if err := guard.Request(name, c.Codec, c.Payload); err != nil || len(c.Payload) == 0 {
		return err
	}
	if err := json.Unmarshal(c.Payload, in); err != nil {
		return status.Errorf(status.InvalidArgument, "the request of %s is malformed: %w", name, err)
	}
	return nil
}

func (m *Member) join(in operation.Place) (out operation.Joined, err error) {
	err = m.change(nil, func(d *directory.Directory[*Member], now time.Time) ([]change, error) {
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
	return out, m.change(nil, func(d *directory.Directory[*Member], now time.Time) ([]change, error) {
		return d.Provide(in.Channel, in.Method, m, now)
	})
}

func (m *Member) withdraw(in operation.Offer) (out operation.Empty, err error) {
	return out, m.change(nil, func(d *directory.Directory[*Member], _ time.Time) ([]change, error) {
		return d.Withdraw(in.Channel, in.Method, m)
	})
}

func (m *Member) declare(in operation.Topic) (out operation.Empty, err error) {
	return out, m.change(nil, func(d *directory.Directory[*Member], now time.Time) ([]change, error) {
		return d.Declare(in.Channel, in.Name, in.Shared, m, now)
	})
}

func (m *Member) retract(in operation.Topic) (out operation.Empty, err error) {
	return out, m.change(nil, func(d *directory.Directory[*Member], _ time.Time) ([]change, error) {
		return d.Retract(in.Channel, in.Name, m)
	})
}

// kick is done by the owner; whom it hits learns the reason from what ends.
func (m *Member) kick(in operation.Eviction) (out operation.Empty, err error) {
	why := "removed by the owner, " + m.id
	if in.Reason != "" {
		why += ": " + in.Reason[:min(len(in.Reason), 1024)]
	}
	return out, m.change(&status.Error{Code: status.Evicted, Message: why}, func(d *directory.Directory[*Member], _ time.Time) ([]change, error) {
		whom := m.hub.members[in.Member]
		if whom == nil {
			return nil, status.Errorf(status.NotFound, "there is no member %q", in.Member)
		}
		return d.Kick(in.Channel, m, whom, why)
	})
}

func (m *Member) list(in operation.Place) (out operation.MemberList, err error) {
	h := m.hub
	out = operation.MemberList{Channel: in.Channel, Members: []operation.Member{}}
	h.mu.RLock()
	defer h.mu.RUnlock()
	now := h.cfg.Now()
	if in.Channel == "" {
		for _, o := range h.members {
			if o != nil {
				out.Members = append(out.Members, o.describe(now.Sub(o.s.Began())))
			}
		}
		slices.SortFunc(out.Members, func(a, b operation.Member) int { return int(b.Age*1e6) - int(a.Age*1e6) })
		return out, nil
	}
	c := h.dir.Channel(in.Channel)
	if c == nil {
		return out, status.Errorf(status.NotFound, "there is no channel %q", in.Channel)
	}
	for _, o := range c.Members() {
		since, methods, topics, _ := c.Seat(o)
		d := o.describe(now.Sub(since))
		d.Owner, d.Methods, d.Topics = o == c.Owner(), methods, topics
		out.Members = append(out.Members, d)
	}
	return out, nil
}

func (m *Member) describe(age time.Duration) operation.Member {
	p := m.s.Peer()
	return operation.Member{
		ID: m.id, Identity: p.Identity.Name, Product: p.Product, Address: p.Address, Metadata: p.Metadata, Age: max(age.Seconds(), 0),
	}
}

func (m *Member) channels(operation.Empty) (operation.ChannelList, error) {
	h := m.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := operation.ChannelList{Channels: []operation.ChannelInfo{}}
	for _, c := range h.dir.Channels() {
		i := operation.ChannelInfo{Name: c.Name, Owner: c.Owner().id}
		i.Members, i.Methods, i.Topics = c.Counts()
		out.Channels = append(out.Channels, i)
	}
	return out, nil
}

func (m *Member) stopHub(in operation.StopRequest) (out operation.Empty, err error) {
	h := m.hub
	if !h.cfg.AllowStop || h.cfg.OnStop == nil {
		return out, &status.Error{Code: status.PermissionDenied, Message: "this hub does not let members stop it"}
	}
	drain := time.Duration(min(max(in.Drain, 0), 24*3600) * float64(time.Second))
	h.cfg.Log.Info("stop was asked for", "hub", h.cfg.ID, "member", m.id, "drain", drain)
	h.stop.Do(func() { go h.cfg.OnStop(drain) }) // not waited for: it waits for the hub
	return out, nil
}
