// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

type member string

func (m member) ID() string { return string(m) }

var roomy = Rules{Channels: 100, Members: 100, Names: 100, Places: 100, Terms: 100}

// told prints changes: "joined ch a, owned ch a".
func told(changes []Change[member]) string {
	kinds := [...]string{"joined", "left", "owned", "provided", "withdrawn", "declared", "retracted", "described", "terminated"}
	var parts []string
	for _, c := range changes {
		parts = append(parts, strings.TrimSpace(fmt.Sprint(kinds[c.Kind], " ", c.Channel, " ", c.Member, " ", c.Name)))
	}
	return strings.Join(parts, ", ")
}

// step is one operation on a directory and what comes of it.
type step struct {
	do   func(d *Directory[member]) ([]Change[member], error)
	want string
	code status.Code
}

func run(t *testing.T, rules Rules, steps []step) *Directory[member] {
	t.Helper()
	d := New[member](rules)
	for i, s := range steps {
		before := dump(d)
		changes, err := s.do(d)
		if got := told(changes); got != s.want || status.CodeOf(err) != s.code {
			t.Fatalf("step %d: %q, %v; want %q, %v", i, got, err, s.want, s.code)
		}
		if err != nil && dump(d) != before {
			t.Fatalf("step %d failed and changed something:\n%s\n%s", i, before, dump(d))
		}
	}
	return d
}

func dump(d *Directory[member]) string {
	var b strings.Builder
	for _, c := range d.Channels() {
		fmt.Fprintln(&b, c.Name, c.Owner(), c.Members())
		for _, m := range c.Members() {
			_, methods, topics, ok := c.Seat(m)
			fmt.Fprintln(&b, m, methods, topics, ok, d.In(m), d.Has(c.Name, m), d.said[m])
		}
		offers, err := d.Explore(operation.Query{Channel: c.Name, Schemas: true})
		fmt.Fprintln(&b, offers, err)
	}
	return b.String()
}

var at = time.Unix(1, 0)

func join(ch string, m member) func(*Directory[member]) ([]Change[member], error) {
	return func(d *Directory[member]) ([]Change[member], error) { return d.Join(ch, m, at) }
}

func leave(ch string, m member) func(*Directory[member]) ([]Change[member], error) {
	return func(d *Directory[member]) ([]Change[member], error) { return d.Leave(ch, m, "") }
}

func provide(ch, name string, m member) func(*Directory[member]) ([]Change[member], error) {
	return func(d *Directory[member]) ([]Change[member], error) {
		changes, _, err := d.Provide(ch, name, Terms{}, m, at)
		return changes, err
	}
}

func declare(ch, name string, shared bool, m member) func(*Directory[member]) ([]Change[member], error) {
	return func(d *Directory[member]) ([]Change[member], error) {
		changes, _, err := d.Declare(ch, name, shared, Terms{}, m, at)
		return changes, err
	}
}

func remove(m member) func(*Directory[member]) ([]Change[member], error) {
	return func(d *Directory[member]) ([]Change[member], error) { return d.Remove(m, ""), nil }
}

func kick(ch string, by, whom member) func(*Directory[member]) ([]Change[member], error) {
	return func(d *Directory[member]) ([]Change[member], error) { return d.Kick(ch, by, whom, "") }
}

func TestTerminate(t *testing.T) {
	run(t, roomy, []step{
		{join("ch", "a"), "joined ch a, owned ch a", 0},
		{join("ch", "a"), "", 0},
		{provide("ch", "m", "b"), "joined ch b, provided ch b m", 0},
		{provide("ch", "m", "b"), "provided ch b m", 0},
		{provide("ch", "m", "c"), "", status.AlreadyExists},
		{declare("ch", "t", false, "a"), "declared ch a t", 0},
		{declare("ch", "t", false, "a"), "", 0},
		{declare("ch", "t", true, "c"), "", status.AlreadyExists},
		{leave("ch", "c"), "", status.NotFound},
		{join("other", "a"), "joined other a, owned other a", 0},
		{remove("a"), "retracted ch a t, left ch a, terminated ch a, withdrawn ch b m, left ch b, left other a", 0},
		{remove("a"), "", 0},
		{join("ch", "c"), "joined ch c, owned ch c", 0},
	})
}

func TestPromoteAndKick(t *testing.T) {
	rules := roomy
	rules.Promote = true
	d := run(t, rules, []step{
		{join("ch", "a"), "joined ch a, owned ch a", 0},
		{join("ch", "b"), "joined ch b", 0},
		{declare("ch", "s", true, "c"), "joined ch c, declared ch c s", 0},
		{declare("ch", "s", true, "b"), "", 0},
		{kick("ch", "b", "c"), "", status.NotOwner},
		{kick("ch", "a", "a"), "", status.InvalidArgument},
		{kick("ch", "a", "x"), "", status.NotFound},
		{kick("x", "a", "b"), "", status.NotFound},
		{leave("ch", "a"), "left ch a, owned ch b", 0},
		{kick("ch", "b", "c"), "left ch c", 0}, // b still holds the topic
		{leave("ch", "b"), "retracted ch b s, left ch b", 0},
	})
	if d.Len() != 0 || len(d.places) != 0 {
		t.Fatalf("left: %s", dump(d))
	}
}

func TestLimits(t *testing.T) {
	run(t, Rules{Channels: 2, Members: 2, Names: 1, Places: 1}, []step{
		{join("one", "a"), "joined one a, owned one a", 0},
		{join("two", "a"), "", status.LimitExceeded},
		{provide("one", "m", "b"), "joined one b, provided one b m", 0},
		{provide("one", "n", "b"), "", status.LimitExceeded},
		{join("one", "c"), "", status.LimitExceeded},
		{declare("two", "t", false, "c"), "joined two c, owned two c, declared two c t", 0},
		{declare("two", "u", false, "c"), "", status.LimitExceeded},
		{join("three", "d"), "", status.LimitExceeded},
		{join("$", "d"), "", status.InvalidArgument},
		{provide("four", "a/b", "d"), "", status.InvalidArgument},
		{declare("four", "a.>", false, "d"), "", status.InvalidArgument},
	})
}

func TestTerms(t *testing.T) {
	long, short, other := Terms{Shape: 1, Input: strings.Repeat("x", 90)}, Terms{Input: "in", Output: "out"}, Terms{Input: "other"}
	method := func(name string, terms Terms, m member) func(*Directory[member]) ([]Change[member], error) {
		return func(d *Directory[member]) ([]Change[member], error) {
			changes, _, err := d.Provide("ch", name, terms, m, at)
			return changes, err
		}
	}
	topic := func(shared bool, terms Terms, m member) func(*Directory[member]) ([]Change[member], error) {
		return func(d *Directory[member]) ([]Change[member], error) {
			changes, own, err := d.Declare("ch", "t", shared, terms, m, at)
			if own != (m == "a") && err == nil {
				t.Errorf("own is %v for %s", own, m)
			}
			return changes, err
		}
	}
	rules := roomy
	rules.Promote = true
	d := run(t, rules, []step{
		{method("m", long, "a"), "joined ch a, owned ch a, provided ch a m", 0},
		{method("m", long, "a"), "provided ch a m", 0},
		{method("n", long, "a"), "", status.LimitExceeded},
		{method("n", long, "b"), "joined ch b, provided ch b n", 0},
		{method("m", short, "a"), "provided ch a m, described ch a m", 0},
		{method("n", Terms{}, "b"), "provided ch b n, described ch b n", 0},
		{topic(true, long, "a"), "declared ch a t", 0},
		{topic(true, Terms{}, "b"), "", 0},
		{topic(true, long, "b"), "", 0},
		{topic(true, other, "b"), "", status.AlreadyExists},
		{topic(true, other, "a"), "described ch a t", 0},
		{topic(true, long, "a"), "described ch a t", 0},
	})
	got, err := d.Explore(operation.Query{Channel: "ch", Schemas: true})
	if err != nil || got.Owner != "a" || len(got.Methods) != 2 || string(got.Methods[0].Input) != "in" || !got.Methods[0].Described ||
		got.Methods[1].Described || got.Methods[1].Providers[0] != "b" || len(got.Topics[0].Owners) != 2 || len(got.Topics[0].Schema) != 90 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := d.Explore(operation.Query{Channel: "ch", Name: "t"}); err != nil || len(got.Methods) != 0 || got.Topics[0].Schema != nil || !got.Topics[0].Described {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, q := range []operation.Query{{Channel: "x"}, {Channel: "ch", Name: "x"}, {}} {
		if _, err := d.Explore(q); !errors.Is(err, status.NotFound) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := d.Leave("ch", "a", ""); err != nil || d.said["a"] != 0 || d.said["b"] != 90 {
		t.Fatalf("%v, %v", d.said, err)
	}
	if _, err := d.Retract("ch", "t", "b"); err != nil || len(d.said) != 0 {
		t.Fatalf("%v, %v", d.said, err)
	}
}

func TestMayPublish(t *testing.T) {
	d := run(t, roomy, []step{
		{declare("ch", "own", false, "a"), "joined ch a, owned ch a, declared ch a own", 0},
		{declare("ch", "shared", true, "a"), "declared ch a shared", 0},
	})
	for _, c := range []struct {
		ch, name string
		m        member
		want     status.Code
	}{
		{"ch", "own", "a", status.OK}, {"ch", "own", "b", status.NotOwner}, {"ch", "shared", "b", status.OK},
		{"ch", "none", "a", status.Undeclared}, {"x", "own", "a", status.Undeclared},
	} {
		if err := d.MayPublish(c.ch, c.name, c.m); status.CodeOf(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	_, err := d.Retract("ch", "own", "b")
	_, err2 := d.Withdraw("ch", "m", "a")
	_, err3 := d.Retract("ch", "none", "a")
	if !errors.Is(err, status.NotFound) || !errors.Is(err2, status.NotFound) || !errors.Is(err3, status.Undeclared) {
		t.Error(err, err2, err3)
	}
}

// FuzzDirectory runs a program of operations: an operation that fails changes nothing, and
// what is told is what is there.
func FuzzDirectory(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 40, 80, 120, 160, 200, 240, 17, 33}, false)
	f.Add([]byte{64, 3, 99, 0, 0, 1, 255, 254, 253, 66, 67, 68, 5, 4, 3, 2, 1}, true)
	f.Fuzz(func(t *testing.T, program []byte, promote bool) {
		d := New[member](Rules{Promote: promote, Channels: 3, Members: 3, Names: 3, Places: 2, Terms: 10})
		there := map[string]bool{} // "ch member", "ch/method member", "ch:topic"
		for i := 0; i+1 < len(program); i += 2 {
			m, ch, name := member('a'+program[i]%5), string('A'+rune(program[i]>>3%4)), string('x'+rune(program[i]>>5%3))
			before := dump(d)
			terms := Terms{Input: strings.Repeat("s", int(program[i+1]>>4))}
			if program[i]>>7 == 1 {
				terms.Group, terms.Input = string('g'+rune(program[i+1]>>3%2)), terms.Input[:min(len(terms.Input), 1)]
			}
			var changes []Change[member]
			var err error
			switch program[i+1] % 8 {
			case 0, 1:
				changes, err = d.Join(ch, m, at)
			case 2:
				changes, err = d.Leave(ch, m, "")
			case 3:
				changes, _, err = d.Provide(ch, name, terms, m, at)
			case 4:
				changes, _, err = d.Declare(ch, name, program[i+1]&8 != 0, terms, m, at)
			case 5:
				changes, err = d.Retract(ch, name, m)
			case 6:
				changes, err = d.Kick(ch, m, member('a'+program[i+1]>>3%5), "")
			case 7:
				changes = d.Remove(m, "")
			}
			if err != nil && (len(changes) > 0 || dump(d) != before) {
				t.Fatalf("%v changed something", err)
			}
			for _, c := range changes {
				switch c.Kind {
				case Joined, Left:
					there[c.Channel+" "+string(c.Member)] = c.Kind == Joined
				case Provided, Withdrawn:
					there[c.Channel+"/"+c.Name+" "+string(c.Member)] = c.Kind == Provided
				case Declared, Retracted:
					there[c.Channel+":"+c.Name] = c.Kind == Declared
				}
			}
			if got, want := contents(d), listed(there); !slices.Equal(got, want) {
				t.Fatalf("there is %v, told was %v", got, want)
			}
			if want := said(d); !maps.Equal(d.said, want) {
				t.Fatalf("counted are %v, said was %v", d.said, want)
			}
		}
	})
}

// said adds up the bytes of all terms, by member.
func said(d *Directory[member]) map[member]int {
	sum := map[member]int{}
	for _, c := range d.channels {
		for _, x := range c.methods {
			sum[x.by] += x.terms.Size()
		}
		for _, x := range c.topics {
			sum[x.by] += x.terms.Size()
		}
	}
	maps.DeleteFunc(sum, func(_ member, n int) bool { return n == 0 })
	return sum
}

// contents lists who and what is there.
func contents(d *Directory[member]) (all []string) {
	for _, c := range d.Channels() {
		members, methods, topics := c.Counts()
		names := map[string]int{}
		for _, m := range c.Members() {
			_, offered, _, _ := c.Seat(m)
			all = append(all, c.Name+" "+string(m))
			for _, name := range offered {
				all = append(all, c.Name+"/"+name+" "+string(m))
				names[name]++
			}
		}
		for _, name := range c.Topics() {
			all = append(all, c.Name+":"+name)
		}
		for name, n := range names {
			if x := c.methods[name]; len(c.Providers(name)) != n || n > 1 && x.group == "" || x.of(x.by) < 0 {
				return []string{"inconsistent providers"}
			}
		}
		if members == 0 || len(names) != methods || topics != len(c.Topics()) || !slices.Contains(c.Members(), c.Owner()) {
			return []string{"inconsistent"}
		}
	}
	slices.Sort(all)
	return all
}

func listed(there map[string]bool) (all []string) {
	for what, is := range there {
		if is {
			all = append(all, what)
		}
	}
	slices.Sort(all)
	return all
}

func TestSources(t *testing.T) {
	var s Sources
	first := s.Add("a")
	if s.ID(first) != "a" || s.ID(99) != "" {
		t.Fatal(s.ids)
	}
	s.Remove(first)
	if s.ID(first) != "a" {
		t.Fatal("forgotten at once")
	}
	for range keepNames {
		s.Remove(s.Add("b"))
	}
	if s.ID(first) != "" || len(s.ids) != keepNames {
		t.Fatalf("%d are kept", len(s.ids))
	}
	if n := s.Add("a"); n == first {
		t.Fatal("a number was used twice")
	}
}
