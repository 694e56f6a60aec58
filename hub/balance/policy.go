// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"math"
	"time"
)

// memory is the time in which what is known of a seat's speed loses most of its weight.
const memory = time.Second

// unmeasured is the time, in nanoseconds, that a call counts for that is in flight at a seat
// that has ended none yet.
const unmeasured = 1e15

// slowest is what a failed call counts at most.
const slowest = time.Minute

// choose returns a seat that takes a call now, nil if none does.
func (g *Group[P, W]) choose(now time.Time) *Seat[P] {
	switch g.policy {
	case RoundRobin:
		return g.inTurn()
	case TwoChoices:
		return g.better(now)
	}
	return g.leastActive()
}

// leastActive returns who has fewest calls in flight; of several the one that was picked
// longest ago, so that calls that come one by one go round.
func (g *Group[P, W]) leastActive() *Seat[P] {
	var best *Seat[P]
	for _, s := range g.seats {
		if !s.free() {
			continue
		}
		if best == nil || s.active < best.active || s.active == best.active && s.last < best.last {
			best = s
		}
	}
	return best
}

// inTurn returns the next who takes a call.
func (g *Group[P, W]) inTurn() *Seat[P] {
	n := len(g.seats)
	for i := range n {
		at := (g.next + i) % n
		if s := g.seats[at]; s.free() {
			g.next = (at + 1) % n
			return s
		}
	}
	return nil
}

// better returns the one of two, chosen at random, that should be done first.
func (g *Group[P, W]) better(now time.Time) *Seat[P] {
	n := len(g.seats)
	i := g.pick(n)
	a := g.freeFrom(i)
	if n == 1 || a == nil {
		return a
	}
	b := g.freeFrom((i + 1 + g.pick(n-1)) % n)
	if b.cost(now) < a.cost(now) {
		return b
	}
	return a
}

// freeFrom returns the first seat from an index on that takes a call, nil if none does.
func (g *Group[P, W]) freeFrom(i int) *Seat[P] {
	for k := range g.seats {
		if s := g.seats[(i+k)%len(g.seats)]; s.free() {
			return s
		}
	}
	return nil
}

// pick returns a random number below n.
func (g *Group[P, W]) pick(n int) int {
	g.random += 0x9e3779b97f4a7c15
	return int(mix(g.random) % uint64(n))
}

// cost returns how long a call would take here, about: what the last ones took, behind those
// in flight. What was slow and has had nothing to do for a while is worth another try.
func (s *Seat[P]) cost(now time.Time) float64 {
	known := s.latency
	if known == 0 && s.active > 0 {
		return unmeasured * float64(s.active) // one call shows what it can do
	}
	if s.active == 0 {
		known *= fading(now.Sub(s.seen))
	}
	return known * float64(s.active+1)
}

// observe brings the moving average up to date: a call counts more the longer ago the last is.
func (s *Seat[P]) observe(took time.Duration, failed bool, now time.Time) {
	x := max(float64(took), 1)
	if failed {
		x = min(max(x, 2*s.latency, float64(time.Millisecond)), float64(slowest))
	}
	if s.latency == 0 {
		s.latency, s.seen = x, now
		return
	}
	// At least a tenth: of many calls in little time the average is one of the last ten or so.
	w := min(fading(now.Sub(s.seen)), 0.9)
	s.latency, s.seen = s.latency*w+x*(1-w), now
}

// fading returns how much of what was known remains after a while.
func fading(while time.Duration) float64 { return math.Exp(-float64(max(while, 0)) / float64(memory)) }

// home returns the seat of a key: the one whose hash with the key is highest. When a seat
// comes, only keys that it wins move; when one goes, only its keys do.
func (g *Group[P, W]) home(k Key) *Seat[P] {
	best, top := g.seats[0], uint64(0)
	for _, s := range g.seats {
		if h := mix(k.hash ^ s.hash); h > top {
			best, top = s, h
		}
	}
	return best
}

// Home returns the seat of a key, whether it takes a call now or not; nil if there is none.
func (g *Group[P, W]) Home(k Key) *Seat[P] {
	if len(g.seats) == 0 {
		return nil
	}
	return g.home(k)
}

// hashBytes is FNV-1a, mixed.
func hashBytes(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return mix(h)
}

func hashString(s string) uint64 { return hashBytes([]byte(s)) }

// mix spreads the bits of x (the finisher of splitmix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
