// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"maps"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// Member is what the directory needs to know of one.
type Member interface {
	comparable
	// ID is unique among the members of a Directory and never changes.
	ID() string
}

// Rules are what a Directory keeps to. All limits must be positive.
type Rules struct {
	Promote  bool // an owner that leaves is followed by the earliest other member; else the channel ends
	Channels int  // at a time
	Members  int  // per channel
	Names    int  // methods per channel, and topics per channel
	Places   int  // channels per member
	Terms    int  // bytes per member
}

// Directory is who is there. Make one with New.
type Directory[M Member] struct {
	rules    Rules
	channels map[string]*Channel[M]
	places   map[M]map[string]*Channel[M]
	said     map[M]int // bytes of terms
	judge    func(channel string, m M, join bool) error
	heirs    func(channel string, m M) bool
}

// New returns an empty Directory.
func New[M Member](r Rules) *Directory[M] {
	return &Directory[M]{rules: r, channels: make(map[string]*Channel[M]), places: make(map[M]map[string]*Channel[M]), said: make(map[M]int)}
}

// Kind says what a Change is.
type Kind uint8

// The kinds.
const (
	Joined     Kind = iota // Member is in the channel
	Left                   // and is not any more; its methods and topics have gone before
	Owned                  // Member owns the channel from now on
	Provided               // Member offers the method Name
	Withdrawn              // and does not any more
	Declared               // the topic Name exists; Shared if anybody may publish
	Retracted              // and does not any more
	Described              // the method or topic Name, which was there before, has other Terms now
	Terminated             // the channel ends because Member, its owner, left; the others leave next
)

// Notice returns the type of the notice that tells of such a change.
func (k Kind) Notice() string {
	return [...]string{
		Joined: operation.NoticeJoin, Left: operation.NoticeLeave, Owned: operation.NoticeOwner,
		Provided: operation.NoticeProvide, Withdrawn: operation.NoticeWithdraw,
		Declared: operation.NoticeDeclare, Retracted: operation.NoticeRetract,
		Described: operation.NoticeSchema, Terminated: operation.NoticeTerminate,
	}[k]
}

// Change is one thing that an operation has brought about.
type Change[M Member] struct {
	Kind    Kind
	Channel string
	Member  M
	Name    string
	Shared  bool
	Sharing Sharing // with Provided
	Reason  string  // for people, "" mostly
}

// Join makes m a member of a channel, which begins to exist, m its owner, if it does not.
// Joining twice changes nothing.
func (d *Directory[M]) Join(channel string, m M, now time.Time) ([]Change[M], error) {
	if err := d.mayJoin(channel, m); err != nil {
		return nil, err
	}
	return d.join(nil, channel, m, now), nil
}

// mayJoin returns why m cannot be a member of a channel.
func (d *Directory[M]) mayJoin(channel string, m M) error {
	if err := d.may(channel, m, true); err != nil {
		return err
	}
	c := d.channels[channel]
	switch {
	case c != nil && c.seats[m] != nil:
		return nil
	case len(d.places[m]) >= d.rules.Places:
		return quota.Exceeded(operation.Limit{Name: quota.Channels, Scope: quota.ByMember, Of: m.ID(), Usage: len(d.places[m]), Bound: d.rules.Places},
			"a member may be in %d channels, and %s is: leave one first", d.rules.Places, m.ID())
	case c == nil && len(d.channels) >= d.rules.Channels:
		return quota.Exceeded(operation.Limit{Name: quota.Channels, Scope: quota.ByHub, Usage: len(d.channels), Bound: d.rules.Channels},
			"the hub has %d channels and takes no more", len(d.channels))
	case c != nil && len(c.seats) >= d.rules.Members:
		return quota.Exceeded(operation.Limit{Name: quota.Members, Scope: quota.ByChannel, Of: channel, Usage: len(c.seats), Bound: d.rules.Members},
			"channel %s has %d members and takes no more", channel, len(c.seats))
	}
	return nil
}

func (d *Directory[M]) join(changes []Change[M], channel string, m M, now time.Time) []Change[M] {
	c := d.channels[channel]
	if c == nil {
		c = newChannel(channel, m)
		d.channels[channel] = c
	}
	if c.seats[m] != nil {
		return changes
	}
	c.seats[m] = &seat{since: now}
	c.order = append(c.order, m)
	if d.places[m] == nil {
		d.places[m] = make(map[string]*Channel[M])
	}
	d.places[m][channel] = c
	changes = append(changes, Change[M]{Kind: Joined, Channel: channel, Member: m})
	if len(c.order) == 1 {
		changes = append(changes, Change[M]{Kind: Owned, Channel: channel, Member: m})
	}
	return changes
}

// Leave ends a membership and, as Rules say, the channel if m owned it.
func (d *Directory[M]) Leave(channel string, m M, reason string) ([]Change[M], error) {
	if err := d.may(channel, m, false); err != nil {
		return nil, err
	}
	c := d.places[m][channel]
	if c == nil {
		return nil, notIn(channel, m)
	}
	return d.leave(nil, c, m, reason), nil
}

func notIn[M Member](channel string, m M) error {
	return status.Errorf(status.NotFound, "%s is not a member of channel %q", m.ID(), channel)
}

// Remove ends all memberships of m.
func (d *Directory[M]) Remove(m M, reason string) []Change[M] {
	var changes []Change[M]
	for _, name := range slices.Sorted(maps.Keys(d.places[m])) {
		changes = d.leave(changes, d.channels[name], m, reason)
	}
	return changes
}

// Kick has the owner of a channel remove another member.
func (d *Directory[M]) Kick(channel string, by, whom M, reason string) ([]Change[M], error) {
	if err := d.may(channel, by, false); err != nil {
		return nil, err
	}
	c := d.channels[channel]
	switch {
	case c == nil:
		return nil, status.Errorf(status.NotFound, "there is no channel %q", channel)
	case c.owner != by:
		return nil, status.Errorf(status.NotOwner, "only the owner of channel %s, %s, may remove members", channel, c.owner.ID())
	case by == whom:
		return nil, status.Errorf(status.InvalidArgument, "the owner cannot remove itself: leave the channel instead")
	}
	return d.Leave(channel, whom, reason)
}

func (d *Directory[M]) leave(changes []Change[M], c *Channel[M], m M, reason string) []Change[M] {
	owned := c.owner == m
	changes = d.vacate(changes, c, m, reason)
	if !owned || len(c.order) == 0 {
		return changes
	}
	if d.rules.Promote || remote(m) {
		c.owner = d.heir(c)
		return append(changes, Change[M]{Kind: Owned, Channel: c.Name, Member: c.owner})
	}
	changes = append(changes, Change[M]{Kind: Terminated, Channel: c.Name, Member: m, Reason: reason})
	others := c.order
	c.order = nil
	for _, other := range others {
		changes = d.vacate(changes, c, other, "the channel ended with its owner")
	}
	return changes
}

// remote reports whether m stands for a member of another hub: that a way to it is lost ends
// no channel.
func remote[M Member](m M) bool {
	_, hub := operation.Origin(m.ID())
	return hub != ""
}

// vacate takes m and what it offers out of c, and forgets c if nobody is left.
func (d *Directory[M]) vacate(changes []Change[M], c *Channel[M], m M, reason string) []Change[M] {
	s := c.seats[m]
	for _, name := range slices.Sorted(maps.Keys(s.methods)) {
		changes = d.withdraw(changes, c, m, name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.topics)) {
		changes = d.release(changes, c, m, name)
	}
	delete(c.seats, m)
	c.order = slices.DeleteFunc(c.order, func(o M) bool { return o == m })
	if delete(d.places[m], c.Name); len(d.places[m]) == 0 {
		delete(d.places, m)
	}
	if len(c.order) == 0 {
		delete(d.channels, c.Name)
	}
	return append(changes, Change[M]{Kind: Left, Channel: c.Name, Member: m, Reason: reason})
}

// Channel returns a channel, nil if there is none of that name.
func (d *Directory[M]) Channel(name string) *Channel[M] { return d.channels[name] }

// Channels returns all channels by name.
func (d *Directory[M]) Channels() []*Channel[M] {
	all := make([]*Channel[M], 0, len(d.channels))
	for _, name := range slices.Sorted(maps.Keys(d.channels)) {
		all = append(all, d.channels[name])
	}
	return all
}

// Len returns how many channels there are.
func (d *Directory[M]) Len() int { return len(d.channels) }

// Has reports whether m is in a channel.
func (d *Directory[M]) Has(channel string, m M) bool { return d.places[m][channel] != nil }

// Usage returns how many channels m is in, and how many methods and topics it offers there.
func (d *Directory[M]) Usage(m M) (channels, methods, topics int) {
	for _, c := range d.places[m] {
		s := c.seats[m]
		methods += len(s.methods)
		topics += len(s.topics)
	}
	return len(d.places[m]), methods, topics
}

// In returns the names of the channels that m is in.
func (d *Directory[M]) In(m M) []string { return slices.Sorted(maps.Keys(d.places[m])) }
