// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"maps"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Channel is one channel and who is in it. It is read through its methods.
type Channel[M Member] struct {
	Name string

	owner   M
	order   []M // by the time of joining
	seats   map[M]*seat
	methods map[string]*method[M]
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
	terms   Terms
	by      M // whose terms they are
}

// Terms are what is said of a method by its provider, of a topic by who declared it. They
// are compared byte by byte.
type Terms struct {
	Shape         uint8  // of a method
	Input, Output string // JSON Schemas, "" for none; a topic has an Input only
	Sharing              // of a method
	Keep          Keep   // of a topic
}

// Keep is what a topic keeps for those who subscribe later: the last so many values, or those
// of an age; zero is no bound, both zero is nothing.
type Keep struct {
	Values int
	Age    time.Duration
}

// Size is what terms count against Rules.Terms.
func (t Terms) Size() int { return len(t.Input) + len(t.Output) }

func newChannel[M Member](name string, owner M) *Channel[M] {
	return &Channel[M]{
		Name: name, owner: owner, seats: make(map[M]*seat),
		methods: make(map[string]*method[M]), topics: make(map[string]*topic[M]),
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

// charge counts the bytes of terms that m adds, or takes back.
func (d *Directory[M]) charge(m M, bytes int) error {
	n := d.said[m] + bytes
	if bytes > 0 && n > d.rules.Terms {
		return quota.Exceeded(operation.Limit{Name: quota.Schemas, Scope: quota.ByMember, Of: m.ID(), Usage: d.said[m], Bound: d.rules.Terms},
			"the schemas of %s would have %d bytes, the hub keeps %d of a member", m.ID(), n, d.rules.Terms)
	}
	d.take(m, bytes)
	return nil
}

// take counts bytes without asking whether they are too many.
func (d *Directory[M]) take(m M, bytes int) {
	if n := d.said[m] + bytes; n > 0 {
		d.said[m] = n
	} else {
		delete(d.said, m)
	}
}

// Declare makes a topic exist, and m join the channel if it is not in it. On a shared
// topic anybody may publish; it lasts until all who declared it have left or retracted.
// Otherwise only m may. The terms are those of the first, and replaced if it declares again;
// of others the topic takes the same, or none. own reports whether the terms are those of m.
func (d *Directory[M]) Declare(channel, name string, shared bool, terms Terms, m M, now time.Time) (changes []Change[M], own bool, err error) {
	if err := subject.ValidateTopic(name); err != nil {
		return nil, false, status.Errorf(status.InvalidArgument, "%w", err)
	}
	if err := d.mayJoin(channel, m); err != nil {
		return nil, false, err
	}
	var t *topic[M]
	if c := d.channels[channel]; c != nil {
		if err := d.mayDeclare(c, name, shared, terms, m); err != nil {
			return nil, false, err
		}
		t = c.topics[name]
	}
	said := 0
	if t != nil && t.by == m {
		said = t.terms.Size()
	}
	if t == nil || t.by == m {
		if err := d.charge(m, terms.Size()-said); err != nil {
			return nil, false, err
		}
	}
	changes = d.join(nil, channel, m, now)
	c := d.channels[channel]
	switch {
	case t == nil:
		t = &topic[M]{shared: shared, terms: terms, by: m}
		c.topics[name] = t
		changes = append(changes, Change[M]{Kind: Declared, Channel: channel, Member: m, Name: name, Shared: shared})
	case t.by == m && t.terms != terms:
		t.terms = terms
		changes = append(changes, Change[M]{Kind: Described, Channel: channel, Member: m, Name: name, Shared: shared})
	}
	if !slices.Contains(t.holders, m) {
		t.holders = append(t.holders, m)
	}
	put(&c.seats[m].topics, name)
	return changes, t.by == m, nil
}

func (d *Directory[M]) mayDeclare(c *Channel[M], name string, shared bool, terms Terms, m M) error {
	t := c.topics[name]
	switch {
	case t == nil && len(c.topics) >= d.rules.Names:
		return quota.Exceeded(operation.Limit{Name: quota.Topics, Scope: quota.ByChannel, Of: c.Name, Usage: len(c.topics), Bound: d.rules.Names},
			"channel %s has %d topics and takes no more", c.Name, len(c.topics))
	case t != nil && t.shared && shared && t.by != m && terms != (Terms{}) && terms != t.terms:
		return status.Errorf(status.AlreadyExists, "topic %s of channel %s is declared with another schema, or keeps something else, by %s: declare it with the same, or none", name, c.Name, t.by.ID())
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
	if err := d.may(channel, m, false); err != nil {
		return nil, err
	}
	c := d.places[m][channel]
	if c == nil {
		return nil, notIn(channel, m)
	}
	if t := c.topics[name]; t == nil || !slices.Contains(t.holders, m) {
		return nil, status.Errorf(status.Undeclared, "%s has not declared topic %s of channel %s", m.ID(), name, channel)
	}
	changes := d.release(nil, c, m, name)
	delete(c.seats[m].topics, name)
	return changes, nil
}

// release takes m off the holders of a topic; the last one ends it. If m was the one whose
// terms it has, they are the next one's from now on, who said the same or nothing.
func (d *Directory[M]) release(changes []Change[M], c *Channel[M], m M, name string) []Change[M] {
	t := c.topics[name]
	t.holders = slices.DeleteFunc(t.holders, func(o M) bool { return o == m })
	if t.by == m {
		d.take(m, -t.terms.Size())
	}
	if len(t.holders) > 0 {
		if t.by == m {
			t.by = t.holders[0]
			d.take(t.by, t.terms.Size()) // beyond the limit, if need be: it was asked by nobody
		}
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
