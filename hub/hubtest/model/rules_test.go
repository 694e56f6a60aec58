// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"slices"

	"github.com/plexus-ipc/plexus/status"
)

// rules are what a hub is, in the simplest form that is right: no locks, no queues, no time.
type rules struct {
	promote bool
	rooms   map[string]*room
}

// room is a channel with somebody in it.
type room struct {
	order   []string // members; the first is the owner
	methods map[string]string
	topics  map[string]*topic
}

// topic is a declared name and who declared it.
type topic struct {
	shared  bool
	holders []string
}

// departure is what rules.leave tells of a member that is in a channel no more.
type departure struct {
	channel, member string
	ended           bool // with the whole channel
}

func (r *rules) in(ch, m string) bool {
	return r.rooms[ch] != nil && slices.Contains(r.rooms[ch].order, m)
}

func (r *rules) join(ch, m string) {
	if r.rooms[ch] == nil {
		r.rooms[ch] = &room{methods: map[string]string{}, topics: map[string]*topic{}}
	}
	if !r.in(ch, m) {
		r.rooms[ch].order = append(r.rooms[ch].order, m)
	}
}

// leave takes m out of ch, and everybody if the channel ends with it.
func (r *rules) leave(ch, m string) []departure {
	c := r.rooms[ch]
	gone := []departure{{ch, m, false}}
	if c.order[0] == m && !r.promote && len(c.order) > 1 {
		for _, o := range c.order[1:] {
			gone = append(gone, departure{ch, o, true})
		}
		gone[0].ended = true
	}
	for _, d := range gone {
		c.order = slices.DeleteFunc(c.order, func(o string) bool { return o == d.member })
		maps.DeleteFunc(c.methods, func(_, o string) bool { return o == d.member })
		for name := range c.topics {
			c.release(name, d.member)
		}
	}
	if len(c.order) == 0 {
		delete(r.rooms, ch)
	}
	return gone
}

func (c *room) release(name, m string) {
	t := c.topics[name]
	t.holders = slices.DeleteFunc(t.holders, func(o string) bool { return o == m })
	if len(t.holders) == 0 {
		delete(c.topics, name)
	}
}

func (r *rules) provide(ch, name, m string) status.Code {
	if c := r.rooms[ch]; c != nil && c.methods[name] != "" && c.methods[name] != m {
		return status.AlreadyExists
	}
	r.join(ch, m)
	r.rooms[ch].methods[name] = m
	return status.OK
}

func (r *rules) withdraw(ch, name, m string) status.Code {
	if !r.in(ch, m) || r.rooms[ch].methods[name] != m {
		return status.NotFound
	}
	delete(r.rooms[ch].methods, name)
	return status.OK
}

func (r *rules) declare(ch, name string, shared bool, m string) status.Code {
	if c := r.rooms[ch]; c != nil && c.topics[name] != nil {
		t := c.topics[name]
		if t.shared != shared || !shared && t.holders[0] != m {
			return status.AlreadyExists
		}
	}
	r.join(ch, m)
	c := r.rooms[ch]
	if c.topics[name] == nil {
		c.topics[name] = &topic{shared: shared}
	}
	if t := c.topics[name]; !slices.Contains(t.holders, m) {
		t.holders = append(t.holders, m)
	}
	return status.OK
}

func (r *rules) retract(ch, name, m string) status.Code {
	if !r.in(ch, m) {
		return status.NotFound
	}
	c := r.rooms[ch]
	if t := c.topics[name]; t == nil || !slices.Contains(t.holders, m) {
		return status.Undeclared
	}
	c.release(name, m)
	return status.OK
}

func (r *rules) mayPublish(ch, name, m string) status.Code {
	c := r.rooms[ch]
	if c == nil || c.topics[name] == nil {
		return status.Undeclared
	}
	if t := c.topics[name]; !t.shared && t.holders[0] != m {
		return status.NotOwner
	}
	return status.OK
}

func (r *rules) mayKick(ch, by, whom string) status.Code {
	c := r.rooms[ch]
	switch {
	case c == nil:
		return status.NotFound
	case c.order[0] != by:
		return status.NotOwner
	case by == whom:
		return status.InvalidArgument
	case !r.in(ch, whom):
		return status.NotFound
	}
	return status.OK
}

// places returns the channels that m is in.
func (r *rules) places(m string) []string {
	var all []string
	for _, ch := range slices.Sorted(maps.Keys(r.rooms)) {
		if r.in(ch, m) {
			all = append(all, ch)
		}
	}
	return all
}
