// SPDX-License-Identifier: Apache-2.0

package service

import (
	"hash/maphash"
	"math"
	"slices"
	"time"
)

// maxPositions bounds the topics of one subscription whose position is kept; of others values
// may come twice after a cut.
const maxPositions = 4096

// position is how far a subscription that asks for kept values has come, so that it goes on
// there when it is made anew: everything that its topics keep is replayed then, and of that
// only what had not come is given out. It belongs to the receiver.
type position struct {
	first int           // values of each topic that the subscription begins with, 0 for all
	age   time.Duration // that they have at most, 0 for any
	since time.Time     // when it began
	begun bool          // with these it has
	hub   string
	seed  maphash.Seed
	last  map[key]mark // by topic
}

// mark tells a publication from others. Senders may count anew, so that its content belongs to it.
type mark struct{ source, sequence, sum uint64 }

// caught is a publication that is not given out before all are there.
type caught struct {
	Publication
	source uint64
}

func newPosition(o *SubscribeOptions) *position {
	return &position{first: o.Replay, age: o.ReplaySince, since: time.Now(), seed: maphash.MakeSeed(), last: make(map[key]mark)}
}

const (
	// slack is how long it may take to ask a hub for what it has kept.
	slack = time.Second
	// longest is the greatest age that a hub can be asked for.
	longest = 100 * 365 * 24 * time.Hour
)

// window is the age of the oldest value that can be due by now, 0 for any: what was too old when
// the subscription began does not come later.
func (a *position) window() time.Duration {
	if a.age == 0 {
		return 0
	}
	return max(a.age, min(a.age+time.Since(a.since)+slack, longest))
}

func (a *position) mark(p *Publication, source uint64) mark {
	return mark{source, p.Sequence, maphash.Bytes(a.seed, p.Payload)}
}

// at forgets everything if the marks are not of this hub: the numbers of its members begin
// anew. begun says that what the subscription began with has been given out: of a topic that has
// not been heard of, nothing was kept then, and all is new.
func (a *position) at(hub string, begun bool) {
	a.begun = a.begun || begun
	if a.hub != hub {
		a.hub, a.begun = hub, false
		clear(a.last)
	}
}

// took notes that p was given out.
func (a *position) took(p *Publication, source uint64) {
	k := key{p.Channel, p.Topic}
	if _, known := a.last[k]; known || len(a.last) < maxPositions {
		a.last[k] = a.mark(p, source)
	}
}

// fresh returns those of all, which topics have kept, that come after what was given out: a topic
// replays in the order in which it delivers. If it has forgotten the place, all are new. found
// says that none has: whatever went before all is nothing that is missing.
func (a *position) fresh(all []caught) (due []caught, found bool) {
	from := make(map[key]int) // of the values of a topic, how many are not to come
	count := make(map[key]int)
	for i := range all {
		k := key{all[i].Channel, all[i].Topic}
		count[k]++
		last, known := a.last[k]
		if !known || last != a.mark(&all[i].Publication, all[i].source) {
			continue
		}
		if from[k] == 0 || last.sequence != 0 { // of what is not numbered rather too much than too little
			from[k] = count[k]
		}
	}
	found = len(all) > 0
	for k := range a.last {
		found = found && from[k] > 0
	}
	for k, n := range count {
		if _, known := a.last[k]; !known && a.first > 0 && !a.begun {
			from[k] = max(n-a.first, 0) // as the subscription began
			found = found && n >= a.first
		} else if !known {
			found = false
		}
	}
	clear(count)
	return slices.DeleteFunc(all, func(c caught) bool {
		k := key{c.Channel, c.Topic}
		count[k]++
		return count[k] <= from[k]
	}), found
}

// everything is more values than a topic keeps.
const everything = math.MaxInt32

// catch is a subscription that finds its place.
type catch struct {
	due   uint64   // publications still to come before
	all   []caught // that have come
	ready []caught // that are to be given out before all others
	lost  uint64   // publications that fell out of the queue before all
}

// take keeps a publication that is not to be given out yet. It returns how many are missing by
// now.
func (c *catch) take(p *Publication, source uint64, a *position) (missing uint64) {
	own := *p
	own.Payload, own.Ext, own.Replayed = slices.Clone(p.Payload), slices.Clone(p.Ext), true
	c.all = append(c.all, caught{own, source})
	return c.less(1, a)
}

// less says that n publications fewer are to come. It returns how many are missing by now.
func (c *catch) less(n uint64, a *position) (missing uint64) {
	if c.due -= min(c.due, n); c.due > 0 {
		return 0
	}
	var found bool
	if c.ready, found = a.fresh(c.all); !found {
		missing = c.lost
	}
	c.all, c.lost = nil, 0
	return missing
}

// drop says that n publications were dropped that were to come. It returns how many are missing
// by now: what had come before is not.
func (c *catch) drop(n uint64, a *position) (missing uint64) {
	c.lost += min(c.due, n)
	return n - min(c.due, n) + c.less(n, a)
}

// next returns the next publication to be given out, nil if there is none.
func (c *catch) next() *caught {
	if len(c.ready) == 0 {
		return nil
	}
	p := &c.ready[0]
	c.ready = c.ready[1:]
	return p
}
