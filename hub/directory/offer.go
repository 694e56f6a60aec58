// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"maps"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Channel is one channel and who is in it. It is read through its methods.
type Channel[M Member] struct {
	Name string

	owner   M
	order   []M // by the time of joining
	seats   map[M]*seat
	methods map[string]M
	topics  map[string]*topic[M]
}

// seat is a member's place in a channel.
type seat struct {
	since   time.Time
	methods map[string]struct{}
	topics  map[string]struct{}
}

// topic is a declared name and who declared it.
type topic[M Member] struct {
	shared  bool
	holders []M // one if it is not shared
}

func newChannel[M Member](name string, owner M) *Channel[M] {
	return &Channel[M]{
		Name: name, owner: owner, seats: make(map[M]*seat),
		methods: make(map[string]M), topics: make(map[string]*topic[M]),
	}
}

// Owner returns who owns the channel.
func (c *Channel[M]) Owner() M { return c.owner }

// Members returns the members in the order in which they joined.
func (c *Channel[M]) Members() []M { return slices.Clone(c.order) }

// Counts returns how many members, methods and topics there are.
func (c *Channel[M]) Counts() (members, methods, topics int) {
	return len(c.order), len(c.methods), len(c.topics)
}

// Seat returns since when m is a member and what it offers; false if it is none.
func (c *Channel[M]) Seat(m M) (since time.Time, methods, topics []string, ok bool) {
	s := c.seats[m]
	if s == nil {
		return since, nil, nil, false
	}
	return s.since, slices.Sorted(maps.Keys(s.methods)), slices.Sorted(maps.Keys(s.topics)), true
}

// Topics returns the names of the declared topics, in no order.
func (c *Channel[M]) Topics() []string { return slices.Collect(maps.Keys(c.topics)) }

// Provide has m serve a method, and join the channel if it is not in it. A method has one
// provider; providing again what one provides changes nothing but is told again.
func (d *Directory[M]) Provide(channel, method string, m M, now time.Time) ([]Change[M], error) {
	if err := subject.ValidateMethod(method); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	if err := d.mayJoin(channel, m); err != nil {
		return nil, err
	}
	if c := d.channels[channel]; c != nil {
		other, taken := c.methods[method]
		switch {
		case taken && other != m:
			return nil, status.Errorf(status.AlreadyExists, "%s/%s is provided by %s already: it has to withdraw first", channel, method, other.ID())
		case !taken && len(c.methods) >= d.rules.Names:
			return nil, status.Errorf(status.LimitExceeded, "channel %s has %d methods and takes no more", channel, len(c.methods))
		}
	}
	changes := d.join(nil, channel, m, now)
	c := d.channels[channel]
	c.methods[method] = m
	put(&c.seats[m].methods, method)
	return append(changes, Change[M]{Kind: Provided, Channel: channel, Member: m, Name: method}), nil
}

func put(set *map[string]struct{}, name string) {
	if *set == nil {
		*set = make(map[string]struct{})
	}
	(*set)[name] = struct{}{}
}

// Withdraw ends what Provide began.
func (d *Directory[M]) Withdraw(channel, method string, m M) ([]Change[M], error) {
	c := d.places[m][channel]
	if c == nil {
		return nil, notIn(channel, m)
	}
	if other, ok := c.methods[method]; !ok || other != m {
		return nil, status.Errorf(status.NotFound, "%s does not provide %s/%s", m.ID(), channel, method)
	}
	delete(c.methods, method)
	delete(c.seats[m].methods, method)
	return []Change[M]{{Kind: Withdrawn, Channel: channel, Member: m, Name: method}}, nil
}

// Declare makes a topic exist, and m join the channel if it is not in it. On a shared
// topic anybody may publish; it lasts until all who declared it have left or retracted.
// Otherwise only m may.
func (d *Directory[M]) Declare(channel, name string, shared bool, m M, now time.Time) ([]Change[M], error) {
	if err := subject.ValidateTopic(name); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	if err := d.mayJoin(channel, m); err != nil {
		return nil, err
	}
	c := d.channels[channel]
	if c != nil {
		if err := d.mayDeclare(c, name, shared, m); err != nil {
			return nil, err
		}
	}
	changes := d.join(nil, channel, m, now)
	c = d.channels[channel]
	t := c.topics[name]
	if t == nil {
		t = &topic[M]{shared: shared}
		c.topics[name] = t
		changes = append(changes, Change[M]{Kind: Declared, Channel: channel, Member: m, Name: name, Shared: shared})
	}
	if !slices.Contains(t.holders, m) {
		t.holders = append(t.holders, m)
	}
	put(&c.seats[m].topics, name)
	return changes, nil
}

func (d *Directory[M]) mayDeclare(c *Channel[M], name string, shared bool, m M) error {
	t := c.topics[name]
	switch {
	case t == nil && len(c.topics) >= d.rules.Names:
		return status.Errorf(status.LimitExceeded, "channel %s has %d topics and takes no more", c.Name, len(c.topics))
	case t == nil || t.shared && shared:
		return nil
	case t.shared == shared && t.holders[0] == m:
		return nil
	case t.shared:
		return status.Errorf(status.AlreadyExists, "topic %s of channel %s is declared as a shared one: declare it as shared, too", name, c.Name)
	}
	return status.Errorf(status.AlreadyExists, "topic %s of channel %s belongs to %s", name, c.Name, t.holders[0].ID())
}

// Retract ends what Declare began.
func (d *Directory[M]) Retract(channel, name string, m M) ([]Change[M], error) {
	c := d.places[m][channel]
	if c == nil {
		return nil, notIn(channel, m)
	}
	if t := c.topics[name]; t == nil || !slices.Contains(t.holders, m) {
		return nil, status.Errorf(status.Undeclared, "%s has not declared topic %s of channel %s", m.ID(), name, channel)
	}
	changes := c.release(nil, m, name)
	delete(c.seats[m].topics, name)
	return changes, nil
}

// release takes m off the holders of a topic; the last one ends it.
func (c *Channel[M]) release(changes []Change[M], m M, name string) []Change[M] {
	t := c.topics[name]
	t.holders = slices.DeleteFunc(t.holders, func(o M) bool { return o == m })
	if len(t.holders) > 0 {
		return changes
	}
	delete(c.topics, name)
	return append(changes, Change[M]{Kind: Retracted, Channel: c.Name, Member: m, Name: name, Shared: t.shared})
}

// MayPublish returns why m may not publish on a topic, or nil.
func (d *Directory[M]) MayPublish(channel, name string, m M) error {
	c := d.channels[channel]
	if c == nil || c.topics[name] == nil {
		return status.Errorf(status.Undeclared, "topic %s of channel %q has not been declared: declare it first", name, channel)
	}
	if t := c.topics[name]; !t.shared && t.holders[0] != m {
		return status.Errorf(status.NotOwner, "only %s may publish on topic %s of channel %s", t.holders[0].ID(), name, channel)
	}
	return nil
}
