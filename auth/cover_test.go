// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/subject"
)

// patterns are all of up to three tokens over a small alphabet.
func patterns() (all []string) {
	tokens := []string{"a", "b", "*"}
	level := []string{""}
	for range 3 {
		var next []string
		for _, p := range level {
			for _, tok := range tokens {
				next = append(next, strings.TrimPrefix(p+"."+tok, "."))
			}
			all = append(all, strings.TrimPrefix(p+".>", "."))
		}
		all = append(all, next...)
		level = next
	}
	return append(all, "")
}

// A pattern covers another one if, and only if, no name tells them apart.
func TestCoversPattern(t *testing.T) {
	all := patterns()
	var names []string
	for _, p := range all {
		if p != "" && !subject.IsPattern(p) {
			names = append(names, p, p+".c", p+".c.c", "c."+p)
		}
	}
	names = append(names, "c", "c.c", "c.c.c", "c.c.c.c", "c.a", "a.c", "b.c", "a.c.a", "c.b.c", "a.b.c.c")
	matches := func(p, n string) bool { return p == "" || subject.Match(p, n) }
	for _, wide := range all {
		for _, narrow := range all {
			if wide == "" || narrow == "" {
				continue // "" matches the empty name, too: below
			}
			counter := slices.IndexFunc(names, func(n string) bool { return matches(narrow, n) && !matches(wide, n) })
			if got := coversPattern(wide, narrow); got != (counter < 0) {
				t.Fatalf("%q covers %q: %v, but see %v", wide, narrow, got, names[max(counter, 0)])
			}
		}
		if coversPattern(wide, "") != (wide == "") || !coversPattern("", wide) {
			t.Fatalf("%q and the empty pattern", wide)
		}
	}
}

// Whatever CoversAll says is covered, is: no question is answered with yes by narrow alone.
func TestCoversAllNeverWidens(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := patterns()
	verbs := append(Verbs(), "*")
	list := func() (l []Right) {
		for range 1 + r.IntN(3) {
			l = append(l, Right{Verbs: []Verb{verbs[r.IntN(len(verbs))], verbs[r.IntN(len(verbs))]}, Channel: all[r.IntN(len(all))], Name: all[r.IntN(len(all))]})
		}
		return l
	}
	allows := func(l []Right, v Verb, channel, name string) bool {
		return slices.ContainsFunc(l, func(r Right) bool { return r.Allows(v, channel, name) })
	}
	names := []string{"", "a", "b", "c", "a.b", "c.c", "a.b.c", "c.a.b.b"}
	covered := 0
	for range 100_000 {
		wide, narrow := list(), list()
		both := Meet(wide, narrow)
		is := CoversAll(wide, narrow)
		if is {
			covered++
		}
		v, channel, name := Verbs()[r.IntN(8)], names[r.IntN(len(names))], names[r.IntN(len(names))]
		if is && allows(narrow, v, channel, name) && !allows(wide, v, channel, name) {
			t.Fatalf("%v covers %v, but %s %s/%s", wide, narrow, v, channel, name)
		}
		if allows(both, v, channel, name) && !(allows(wide, v, channel, name) && allows(narrow, v, channel, name)) {
			t.Fatalf("%v meets %v in %v, but %s %s/%s", wide, narrow, both, v, channel, name)
		}
	}
	if covered < 300 {
		t.Fatal("hardly any list covers another:", covered)
	}
}

func TestOwnWithinBounds(t *testing.T) {
	own := Identity{UID: self().uid, SID: self().sid, HasCredentials: true}
	bounded, administers := own, own
	bounded.Bound = &[]Right{{Verbs: []Verb{"*"}}}
	administers.Bound = &[]Right{{Verbs: []Verb{VerbAdminister}}}
	if !own.Own() || bounded.Own() || !administers.Own() {
		t.Fatal(own.Own(), bounded.Own(), administers.Own())
	}
}

// leasing is a mechanism whose identities have a lease and a bound.
type leasing struct {
	name  string
	lease Lease
	bound []Right
}

func (l leasing) Name() string            { return l.name }
func (l leasing) Client(Binding) Exchange { return l.Server(Binding{}) }
func (l leasing) Server(Binding) Exchange {
	id := Identity{Mechanism: l.name, Name: l.name, UID: -1, GID: -1, Lease: l.lease}
	if l.bound != nil {
		id.Bound = &l.bound
	}
	return &script{other: id, steps: []step{silent}}
}

// The bounds and the ends of all parts of a conjunction hold.
func TestAllMeets(t *testing.T) {
	var leases Leases
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	gone := errors.New("gone")
	var why error
	x := leasing{"x", leases.Lease(at, func() error { return nil }), []Right{{Verbs: []Verb{VerbCall, VerbJoin}, Channel: "a.>"}}}
	y := leasing{"y", leases.Lease(time.Time{}, func() error { return why }), []Right{{Verbs: []Verb{VerbCall}, Channel: "a.*"}}}
	e := All(x, y, leasing{name: "z"}).Server(Binding{})
	if _, done, err := e.Step(nil); err != nil || !done {
		t.Fatal(err)
	}
	id := e.Identity()
	if len(*id.Bound) != 1 || (*id.Bound)[0].Channel != "a.*" || !id.Lease.Until().Equal(at) {
		t.Fatalf("%+v %v", *id.Bound, id.Lease.Until())
	}
	told := 0
	stop := id.Lease.Watch(func(err error) {
		if told++; !errors.Is(err, gone) {
			t.Error(err)
		}
	})
	if n := leases.Recheck(); n != 0 || told != 0 {
		t.Fatal(n, told)
	}
	why = gone
	if n := leases.Recheck(); n != 1 || told != 1 {
		t.Fatal(n, told)
	}
	stop()
	if len(leases.watches) != 0 {
		t.Fatal("watches are left over")
	}
}
