// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// model is a Group as one would write it first: lists that are searched.
type model struct {
	policy Policy
	limit  int
	seats  []*modelSeat
	flying []*modelSeat // one for each call in flight
	line   []modelCall
	last   int
	turn   string // of round-robin: who is next
}

type modelSeat struct {
	id                     string
	real                   *Seat[int]
	capacity, active, last int
}

type modelCall struct {
	w   int
	key Key
}

func (m *model) free(s *modelSeat) bool { return s.capacity == 0 || s.active < s.capacity }

// right reports whether a seat is a right choice for a call with a key.
func (m *model) right(g *Group[int, int], s *modelSeat, k Key) error {
	if !m.free(s) {
		return fmt.Errorf("%s is full", s.id)
	}
	switch {
	case m.policy == Sticky && k.set:
		if home := g.Home(k); home != s.real {
			return fmt.Errorf("%s is not the home of the key", s.id)
		}
	case m.policy == LeastActive || m.policy == Sticky:
		for _, o := range m.seats {
			if m.free(o) && (o.active < s.active || o.active == s.active && o.last < s.last) {
				return fmt.Errorf("%s has more to do than %s, or had something later", s.id, o.id)
			}
		}
	case m.policy == RoundRobin:
		from := max(slices.IndexFunc(m.seats, func(o *modelSeat) bool { return o.id == m.turn }), 0)
		for i := range m.seats {
			if o := m.seats[(from+i)%len(m.seats)]; m.free(o) {
				if o != s {
					return fmt.Errorf("it is the turn of %s, not of %s", o.id, s.id)
				}
				return nil
			}
		}
	}
	return nil
}

// may reports whether a call could go now.
func (m *model) may(g *Group[int, int], k Key) bool {
	return slices.ContainsFunc(m.seats, func(s *modelSeat) bool {
		return m.free(s) && (m.policy != Sticky || !k.set || g.Home(k) == s.real)
	})
}

func (m *model) find(s *Seat[int]) *modelSeat {
	i := slices.IndexFunc(m.seats, func(o *modelSeat) bool { return o.real == s })
	if i < 0 {
		return nil
	}
	return m.seats[i]
}

func (m *model) take(s *modelSeat) {
	s.active++
	m.last++
	s.last = m.last
	m.flying = append(m.flying, s)
	if i := slices.Index(m.seats, s); m.policy == RoundRobin && i >= 0 {
		m.turn = m.seats[(i+1)%len(m.seats)].id
	}
}

// waits reports whether another call waits for the same, so that one must not pass it.
func (m *model) waits(g *Group[int, int], k Key) bool {
	return slices.ContainsFunc(m.line, func(c modelCall) bool {
		sticky := m.policy == Sticky
		if sticky && k.set {
			return c.key.set && g.Home(c.key) == g.Home(k)
		}
		return !sticky || !c.key.set
	})
}

// run is a Group and its model, to which the same happens.
type run struct {
	t          *testing.T
	g          *Group[int, int]
	m          *model
	next       func(n int) int // a number below n
	now        time.Time
	ids, calls int
}

// program runs random operations and compares after each.
func program(t *testing.T, p Policy, next func(n int) int, steps int) {
	const limit = 5
	r := &run{t: t, g: New[int, int](p, limit, 7), m: &model{policy: p, limit: limit}, next: next, now: at}
	for range steps {
		r.now = r.now.Add(time.Duration(next(50)) * time.Millisecond)
		switch next(10) {
		case 0:
			r.add()
		case 1:
			r.remove()
		case 2:
			if n := len(r.m.seats); n > 0 {
				s := r.m.seats[next(n)]
				s.capacity = next(4)
				r.g.Resize(s.real, s.capacity)
			}
		case 3:
			r.drop()
		case 4, 5, 6:
			r.done()
		default:
			r.call()
		}
		r.pump()
		compare(t, r.g, r.m)
	}
	if drained := r.g.Drain(); len(drained) != len(r.m.line) || !slices.IsSorted(drained) || r.g.Waiting() != 0 {
		t.Fatalf("drained %v of %v", drained, r.m.line)
	}
}

func (r *run) add() {
	if len(r.m.seats) < 6 {
		r.ids++
		c := r.next(4)
		id := fmt.Sprint("s", r.ids)
		r.m.seats = append(r.m.seats, &modelSeat{id: id, capacity: c, real: r.g.Add(id, r.ids, c)})
	}
}

func (r *run) remove() {
	m, n := r.m, len(r.m.seats)
	if n == 0 {
		return
	}
	s := m.seats[r.next(n)]
	if i := slices.Index(m.seats, s); m.turn == s.id {
		m.turn = m.seats[(i+1)%n].id
	}
	m.seats = slices.DeleteFunc(m.seats, func(o *modelSeat) bool { return o == s })
	if !r.g.Remove(s.real) || r.g.Remove(s.real) {
		r.t.Fatal("a seat is removed once")
	}
}

func (r *run) drop() {
	if n := len(r.m.line); n > 0 {
		i := r.next(n)
		if w := r.m.line[i].w; !r.g.Drop(w) || r.g.Drop(w) {
			r.t.Fatal("a call is dropped once")
		}
		r.m.line = slices.Delete(r.m.line, i, i+1)
	}
}

func (r *run) done() {
	if n := len(r.m.flying); n > 0 {
		i := r.next(n)
		s := r.m.flying[i]
		r.m.flying = slices.Delete(r.m.flying, i, i+1)
		s.active--
		r.g.Done(s.real, time.Duration(r.next(100))*time.Millisecond, r.next(5) == 0, r.now)
	}
}

func (r *run) call() {
	t, g, m := r.t, r.g, r.m
	r.calls++
	var k Key
	if n := r.next(6); n > 0 {
		k = key(n)
	}
	s, v := g.Pick(k, r.now)
	switch {
	case (v == Nobody) != (len(m.seats) == 0):
		t.Fatalf("verdict %d with %d seats", v, len(m.seats))
	case v == Taken:
		if m.waits(g, k) {
			t.Fatal("one that waits was passed")
		}
		if err := m.right(g, m.find(s), k); err != nil {
			t.Fatal(err)
		}
		m.take(m.find(s))
	case v == Wait:
		if m.may(g, k) && !m.waits(g, k) {
			t.Fatal("it has to wait though somebody takes it")
		}
		room := len(m.line) < m.limit
		if g.Push(r.calls, k) != room {
			t.Fatalf("%d wait, of %d", len(m.line), m.limit)
		}
		if room {
			m.line = append(m.line, modelCall{r.calls, k})
		}
	}
}

// pump has all go that may.
func (r *run) pump() {
	t, g, m := r.t, r.g, r.m
	for {
		w, s, ok := g.Next(r.now)
		if !ok {
			break
		}
		i, of := slices.IndexFunc(m.line, func(c modelCall) bool { return c.w == w }), m.find(s)
		if i < 0 || of == nil {
			t.Fatalf("%d does not wait, or %s has gone", w, s.ID())
		}
		if err := m.right(g, of, m.line[i].key); err != nil {
			t.Fatal(err)
		}
		for _, earlier := range m.line[:i] {
			if m.may(g, earlier.key) {
				t.Fatalf("%d has passed %d", w, earlier.w)
			}
		}
		m.line = slices.Delete(m.line, i, i+1)
		m.take(of)
	}
	for _, c := range m.line {
		if m.may(g, c.key) {
			t.Fatalf("%d waits and could go", c.w)
		}
	}
}

func compare(t *testing.T, g *Group[int, int], m *model) {
	active := 0
	for i, s := range m.seats {
		active += s.active
		if r := g.Seats()[i]; r != s.real || r.Active() != s.active || r.Active() < 0 || r.Capacity() != s.capacity || r.Gone() {
			t.Fatalf("%s has %d in flight, not %d", s.id, r.Active(), s.active)
		}
	}
	if g.Active() != active || g.Waiting() != len(m.line) || len(g.Seats()) != len(m.seats) {
		t.Fatalf("%d in flight, %d wait; not %d, %d", g.Active(), g.Waiting(), active, len(m.line))
	}
}

func TestGroupAgainstModel(t *testing.T) {
	for _, p := range Policies()[:4] {
		t.Run(string(p), func(t *testing.T) {
			for seed := range uint64(200) {
				r := rand.New(rand.NewPCG(seed, 1))
				program(t, p, r.IntN, 300)
			}
		})
	}
}

func FuzzGroup(f *testing.F) {
	f.Add(uint8(0), []byte("0123456789 the quick brown fox jumps over the lazy dog"))
	f.Add(uint8(3), []byte{0, 1, 200, 3, 9, 9, 9, 9, 9, 8, 7, 1, 1, 4, 4, 0, 0, 9, 9, 9})
	f.Fuzz(func(t *testing.T, policy uint8, tape []byte) {
		steps := min(len(tape), 500)
		program(t, Policies()[policy%4], func(n int) int {
			if len(tape) == 0 {
				return 0
			}
			b := tape[0]
			tape = tape[1:]
			return int(b) % n
		}, steps)
	})
}
