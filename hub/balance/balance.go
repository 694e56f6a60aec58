// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"cmp"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/operation"
)

// Policy says how a Group chooses. Its values are those of package operation.
type Policy string

// The policies.
const (
	LeastActive Policy = operation.LeastActive // who has fewest calls in flight; of several the one that has waited longest
	RoundRobin  Policy = operation.RoundRobin  // one after the other
	TwoChoices  Policy = operation.TwoChoices  // of two at random the one that should be done first
	Sticky      Policy = operation.Sticky      // the same one for the same key
	All         Policy = operation.All         // everybody: each call goes to every provider
)

// Policies are all there are, the default first.
func Policies() []Policy { return []Policy{LeastActive, RoundRobin, TwoChoices, Sticky, All} }

// Known reports whether p is one of Policies.
func (p Policy) Known() bool { return slices.Contains(Policies(), p) }

// Seat is a provider's place in a Group.
type Seat[P any] struct {
	who      P
	id       string
	hash     uint64
	capacity int // calls at a time, 0 for any number
	active   int // calls in flight
	picked   uint64
	last     uint64 // the group's tick at the last pick
	gone     bool

	latency float64   // moving average, in nanoseconds
	seen    time.Time // when it was brought up to date
}

// Who returns the provider that the seat was added with.
func (s *Seat[P]) Who() P { return s.who }

// ID returns the id that the seat was added with.
func (s *Seat[P]) ID() string { return s.id }

// Capacity returns how many calls at a time the seat takes, 0 for any number.
func (s *Seat[P]) Capacity() int { return s.capacity }

// Active returns how many calls are in flight.
func (s *Seat[P]) Active() int { return s.active }

// Picked returns how many calls the seat was chosen for.
func (s *Seat[P]) Picked() uint64 { return s.picked }

// Gone reports whether the seat was removed.
func (s *Seat[P]) Gone() bool { return s.gone }

func (s *Seat[P]) free() bool { return s.capacity == 0 || s.active < s.capacity }

// Verdict is what Pick says.
type Verdict uint8

// The verdicts.
const (
	Taken  Verdict = iota // the seat has the call: Done must follow
	Wait                  // there is a provider, but the call has to wait: Push
	Nobody                // there is no provider
)

// Group is the seats of one method, for providers P, and the calls W that wait for them. Make one with New.
type Group[P any, W comparable] struct {
	policy  Policy
	seats   []*Seat[P] // in the order of Add
	active  int
	next    int    // of round-robin: the index that is to be looked at first
	tick    uint64 // counts picks
	random  uint64 // state of the generator
	limit   int
	waiting int
	ticket  uint64 // of the last that was pushed
	line    []entry[W]
	lines   map[*Seat[P]][]entry[W] // of calls that wait for one seat, by their key
}

// entry is a call that waits.
type entry[W comparable] struct {
	w      W
	ticket uint64
	key    Key
}

// Key is what a sticky call goes by. The zero Key is none.
type Key struct {
	hash uint64
	set  bool
}

// KeyOf returns the Key of some bytes, the zero Key of none.
func KeyOf(b []byte) Key {
	if len(b) == 0 {
		return Key{}
	}
	return Key{hashBytes(b), true}
}

// New returns an empty Group in which at most limit calls wait. seed begins the sequence of
// random choices.
func New[P any, W comparable](p Policy, limit int, seed uint64) *Group[P, W] {
	return &Group[P, W]{policy: p, limit: limit, random: mix(seed + 1), lines: make(map[*Seat[P]][]entry[W])}
}

// Policy returns the policy.
func (g *Group[P, W]) Policy() Policy { return g.policy }

// SetPolicy changes the policy. Who waits may get a turn: see Next.
func (g *Group[P, W]) SetPolicy(p Policy) {
	if g.policy != p {
		g.policy = p
		g.rehome()
	}
}

// Seats returns the seats in the order in which they were added. The slice is the Group's.
func (g *Group[P, W]) Seats() []*Seat[P] { return g.seats }

// Active returns how many calls are in flight at seats that were not removed.
func (g *Group[P, W]) Active() int { return g.active }

// Waiting returns how many calls wait.
func (g *Group[P, W]) Waiting() int { return g.waiting }

// Add makes a seat. Who waits may get a turn: see Next.
func (g *Group[P, W]) Add(id string, who P, capacity int) *Seat[P] {
	s := &Seat[P]{who: who, id: id, hash: hashString(id), capacity: capacity}
	g.seats = append(g.seats, s)
	g.rehome()
	return s
}

// Resize changes how many calls at a time a seat takes. Who waits may get a turn.
func (g *Group[P, W]) Resize(s *Seat[P], capacity int) { s.capacity = capacity }

// Remove ends a seat; false if it was removed before. Those that wait for it wait for others
// from now on. What it has in flight is still reported by Done.
func (g *Group[P, W]) Remove(s *Seat[P]) bool {
	i := slices.Index(g.seats, s)
	if i < 0 {
		return false
	}
	s.gone = true
	g.active -= s.active
	g.seats = slices.Delete(g.seats, i, i+1)
	if i < g.next {
		g.next--
	}
	if g.next == len(g.seats) {
		g.next = 0
	}
	g.rehome()
	return true
}

// rehome has all that wait do so where they belong now.
func (g *Group[P, W]) rehome() {
	if g.waiting == 0 {
		return
	}
	all := g.takeAll()
	for _, e := range all {
		g.enqueue(e)
	}
}

// takeAll empties all lines, and returns what was in them in the order in which it came.
func (g *Group[P, W]) takeAll() []entry[W] {
	all := g.line
	for _, line := range g.lines {
		all = append(all, line...)
	}
	slices.SortFunc(all, func(a, b entry[W]) int { return cmp.Compare(a.ticket, b.ticket) })
	g.line = nil
	clear(g.lines)
	return all
}

// Pick chooses who gets a call. Taken counts it as in flight at the seat.
func (g *Group[P, W]) Pick(k Key, now time.Time) (*Seat[P], Verdict) {
	if len(g.seats) == 0 {
		return nil, Nobody
	}
	var s *Seat[P]
	switch {
	case g.sticks(k):
		if s = g.home(k); !s.free() || len(g.lines[s]) > 0 {
			return nil, Wait
		}
	case len(g.line) > 0:
		return nil, Wait // not before those that came earlier
	default:
		if s = g.choose(now); s == nil {
			return nil, Wait
		}
	}
	g.take(s)
	return s, Taken
}

// Force counts a call as in flight at a seat that was chosen otherwise, whatever it wants.
func (g *Group[P, W]) Force(s *Seat[P]) { g.take(s) }

func (g *Group[P, W]) take(s *Seat[P]) {
	s.active++
	s.picked++
	g.tick++
	s.last = g.tick
	if !s.gone {
		g.active++
	}
}

// sticks reports whether a call goes by its key.
func (g *Group[P, W]) sticks(k Key) bool { return k.set && g.policy == Sticky }

// Done says that a call that was taken has ended after some time, at now. One that has
// failed because of the provider counts as slow, so that nobody attracts calls by failing fast.
func (g *Group[P, W]) Done(s *Seat[P], took time.Duration, failed bool, now time.Time) {
	s.active--
	if s.gone {
		return
	}
	g.active--
	if g.policy == TwoChoices {
		s.observe(took, failed, now)
	}
}

// Undo is Done for a call that never began: nothing is learned from it.
func (g *Group[P, W]) Undo(s *Seat[P]) {
	s.active--
	if !s.gone {
		g.active--
	}
}

// Push has a call wait; false if as many wait as may.
func (g *Group[P, W]) Push(w W, k Key) bool {
	if g.waiting >= g.limit {
		return false
	}
	g.ticket++
	g.waiting++
	g.enqueue(entry[W]{w, g.ticket, k})
	return true
}

// enqueue puts an entry, the latest of all, at the end of its line.
func (g *Group[P, W]) enqueue(e entry[W]) {
	if g.sticks(e.key) && len(g.seats) > 0 {
		s := g.home(e.key)
		g.lines[s] = append(g.lines[s], e)
		return
	}
	g.line = append(g.line, e)
}

// Next returns a call that has waited and can go now, and the seat that has taken it; false
// if there is none.
func (g *Group[P, W]) Next(now time.Time) (w W, s *Seat[P], ok bool) {
	if g.waiting == 0 || len(g.seats) == 0 {
		return w, nil, false
	}
	best := uint64(0)
	for at, line := range g.lines {
		if at.free() && (best == 0 || line[0].ticket < best) {
			s, best = at, line[0].ticket
		}
	}
	if len(g.line) > 0 && (best == 0 || g.line[0].ticket < best) {
		if any := g.choose(now); any != nil {
			g.take(any)
			return g.pop(nil), any, true
		}
	}
	if s == nil {
		return w, nil, false
	}
	g.take(s)
	return g.pop(s), s, true
}

// pop takes the first out of the line of a seat, or out of the common one.
func (g *Group[P, W]) pop(s *Seat[P]) W {
	g.waiting--
	if s == nil {
		w := g.line[0].w
		g.line = shift(g.line)
		return w
	}
	w := g.lines[s][0].w
	if rest := shift(g.lines[s]); len(rest) > 0 {
		g.lines[s] = rest
	} else {
		delete(g.lines, s)
	}
	return w
}

func shift[W comparable](line []entry[W]) []entry[W] {
	line[0] = entry[W]{}
	if len(line) == 1 {
		return nil
	}
	return line[1:]
}

// Drop has a call wait no more; false if it does not.
func (g *Group[P, W]) Drop(w W) bool {
	same := func(e entry[W]) bool { return e.w == w }
	if i := slices.IndexFunc(g.line, same); i >= 0 {
		g.line = slices.Delete(g.line, i, i+1)
		g.waiting--
		return true
	}
	for s, line := range g.lines {
		i := slices.IndexFunc(line, same)
		if i < 0 {
			continue
		}
		if line = slices.Delete(line, i, i+1); len(line) > 0 {
			g.lines[s] = line
		} else {
			delete(g.lines, s)
		}
		g.waiting--
		return true
	}
	return false
}

// Drain takes out all that wait, in the order in which they came.
func (g *Group[P, W]) Drain() []W {
	all := g.takeAll()
	g.waiting = 0
	out := make([]W, 0, len(all))
	for _, e := range all {
		out = append(out, e.w)
	}
	return out
}
