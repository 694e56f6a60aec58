// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

var at = time.Unix(1e9, 0)

func newGroup(p Policy, capacities ...int) *Group[int, int] {
	g := New[int, int](p, 1000, 1)
	for i, c := range capacities {
		g.Add(fmt.Sprint("seat ", i), i, c)
	}
	return g
}

func key(k int) Key { return KeyOf(fmt.Append(nil, "key ", k)) }

// take picks and wants a seat.
func take(t *testing.T, g *Group[int, int], k Key) *Seat[int] {
	t.Helper()
	s, v := g.Pick(k, at)
	if v != Taken {
		t.Fatalf("verdict %d", v)
	}
	return s
}

func TestPoliciesAreKnown(t *testing.T) {
	for _, p := range Policies() {
		if !p.Known() {
			t.Error(p)
		}
	}
	if Policy("").Known() || Policy("best").Known() {
		t.Error("a policy that is none is known")
	}
}

// One after the other: everybody gets the same number, exactly.
func TestRoundRobinIsUniform(t *testing.T) {
	g := newGroup(RoundRobin, 0, 0, 0, 0, 0)
	for range 10_000 {
		g.Done(take(t, g, Key{}), 0, false, at)
	}
	for _, s := range g.Seats() {
		if s.Picked() != 2000 {
			t.Errorf("%s: %d of 10,000", s.ID(), s.Picked())
		}
	}
}

// Who is full is passed over, and comes again.
func TestRoundRobinPassesOver(t *testing.T) {
	g := newGroup(RoundRobin, 1, 2, 1)
	var got []int
	for range 4 {
		got = append(got, take(t, g, Key{}).Who())
	}
	if fmt.Sprint(got) != "[0 1 2 1]" {
		t.Fatal(got)
	}
	if _, v := g.Pick(Key{}, at); v != Wait {
		t.Fatal(v)
	}
	g.Done(g.Seats()[2], 0, false, at)
	if s := take(t, g, Key{}); s.Who() != 2 {
		t.Fatal(s.Who())
	}
}

// Calls that come one by one go round, too; those that come together are spread evenly.
func TestLeastActive(t *testing.T) {
	g := newGroup(LeastActive, 0, 0, 0)
	for range 300 {
		g.Done(take(t, g, Key{}), 0, false, at)
	}
	for range 30 {
		take(t, g, Key{})
	}
	for _, s := range g.Seats() {
		if s.Picked() != 110 || s.Active() != 10 {
			t.Fatalf("%s: %d, %d in flight", s.ID(), s.Picked(), s.Active())
		}
	}
	for range 5 {
		g.Done(g.Seats()[1], 0, false, at)
	}
	for range 5 {
		if s := take(t, g, Key{}); s.Who() != 1 {
			t.Fatal(s.Who())
		}
	}
}

// When a seat comes, only keys that it gets move, about their share; when it goes they are
// where they were.
func TestStickyMovesFew(t *testing.T) {
	const keys = 10_000
	g := newGroup(Sticky, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	before, counts := make([]*Seat[int], keys), map[int]int{}
	for k := range keys {
		before[k] = take(t, g, key(k))
		counts[before[k].Who()]++
	}
	for who, n := range counts {
		if n < keys/9*3/4 || n > keys/9*5/4 {
			t.Errorf("%d has %d keys of %d", who, n, keys)
		}
	}
	extra := g.Add("one more", 9, 0)
	moved := 0
	for k := range keys {
		if s := take(t, g, key(k)); s == extra {
			moved++
		} else if s != before[k] {
			t.Fatalf("key %d moved from %s to %s", k, before[k].ID(), s.ID())
		}
	}
	if moved < keys/10*3/4 || moved > keys/10*5/4 {
		t.Errorf("%d keys of %d moved", moved, keys)
	}
	g.Remove(extra)
	for k := range keys {
		if s := take(t, g, key(k)); s != before[k] {
			t.Fatalf("key %d is at %s, not back at %s", k, s.ID(), before[k].ID())
		}
	}
}

// A call with a key waits for its seat, and passes others that wait for theirs.
func TestStickyWaits(t *testing.T) {
	g := newGroup(Sticky, 1, 1)
	mine := take(t, g, key(0))
	var other int
	for other = 1; g.Home(key(other)) == mine; other++ {
	}
	if _, v := g.Pick(key(0), at); v != Wait || !g.Push(1, key(0)) || !g.Push(2, key(0)) {
		t.Fatal(v)
	}
	theirs := take(t, g, key(other))
	g.Push(3, key(other))
	if _, _, ok := g.Next(at); ok {
		t.Fatal("nobody has room")
	}
	g.Done(theirs, 0, false, at)
	if w, s, ok := g.Next(at); !ok || w != 3 || s != theirs {
		t.Fatal(w, s, ok)
	}
	g.Remove(mine) // its calls go on to the other
	g.Done(theirs, 0, false, at)
	for want := 1; want <= 2; want++ {
		w, s, ok := g.Next(at)
		if !ok || w != want || s != theirs {
			t.Fatal(w, s, ok)
		}
		g.Done(theirs, 0, false, at)
	}
	g.Done(mine, 0, false, at)
	if g.Active() != 0 || g.Waiting() != 0 {
		t.Fatal(g.Active(), g.Waiting())
	}
}

// simulate runs calls, one after the other has ended, of so many callers, at seats that take
// some time for each, one call after the other; it returns who has got how many.
func simulate(g *Group[int, int], callers, calls int, took func(seat int) time.Duration) []int {
	type flight struct {
		s           *Seat[int]
		began, ends time.Time
	}
	now, counts := at, make([]int, len(g.Seats()))
	free := make([]time.Time, len(g.Seats()))
	var open []flight
	begin := func() {
		s, _ := g.Pick(Key{}, now)
		start := now
		if f := free[s.Who()]; f.After(start) {
			start = f
		}
		free[s.Who()] = start.Add(took(s.Who()))
		counts[s.Who()]++
		open = append(open, flight{s, now, free[s.Who()]})
	}
	for range callers {
		begin()
	}
	for range calls - callers {
		first := 0
		for i := range open {
			if open[i].ends.Before(open[first].ends) {
				first = i
			}
		}
		f := open[first]
		open = append(open[:first], open[first+1:]...)
		now = f.ends
		g.Done(f.s, now.Sub(f.began), false, now)
		begin()
	}
	return counts
}

// By latency, a slow worker gets little also from callers who are never many at a time, and
// is tried again from time to time; equal ones get about the same.
func TestTwoChoices(t *testing.T) {
	for _, callers := range []int{1, 4, 32} {
		g := newGroup(TwoChoices, 0, 0, 0, 0, 0, 0, 0, 0)
		counts := simulate(g, callers, 20_000, func(seat int) time.Duration {
			if seat == 5 {
				return 100 * time.Millisecond
			}
			return time.Millisecond
		})
		if n := counts[5]; n < 2 || n > 20_000*2/100 {
			t.Errorf("%d callers: the slow one got %d of 20,000: %v", callers, n, counts)
		}
		for i, n := range counts {
			if i != 5 && (n < 1000 || n > 6000) {
				t.Errorf("%d callers: %v", callers, counts)
				break
			}
		}
	}
}

// Who fails fast does not attract everything.
func TestTwoChoicesFailingSeat(t *testing.T) {
	g := newGroup(TwoChoices, 0, 0, 0, 0)
	now := at
	counts := make([]int, 4)
	for range 10_000 {
		s, _ := g.Pick(Key{}, now)
		counts[s.Who()]++
		took := time.Millisecond
		if s.Who() == 2 {
			took = time.Microsecond
		}
		now = now.Add(took)
		g.Done(s, took, s.Who() == 2, now)
	}
	if counts[2] > 100 {
		t.Fatal(counts)
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	for _, p := range Policies()[:4] {
		g := newGroup(p, 3, 3, 3)
		b := []byte("a key")
		if n := testing.AllocsPerRun(1000, func() {
			s, _ := g.Pick(KeyOf(b), at)
			g.Done(s, time.Millisecond, false, at)
		}); n != 0 {
			t.Errorf("%s: %v allocations", p, n)
		}
	}
}

// BenchmarkPick is what a choice costs, with so many providers.
func BenchmarkPick(b *testing.B) {
	for _, p := range Policies()[:4] {
		for _, n := range []int{3, 64} {
			b.Run(fmt.Sprint(p, "/", n), func(b *testing.B) {
				g := newGroup(p, make([]int, n)...)
				keys := make([]Key, 64)
				for i := range keys {
					keys[i] = key(rand.IntN(1000))
				}
				b.ReportAllocs()
				for i := range b.N {
					s, _ := g.Pick(keys[i%64], at)
					g.Done(s, time.Millisecond, false, at)
				}
			})
		}
	}
}
