// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/subject"
)

// verbs is a set of them, a bit for each.
type verbs uint16

const (
	joins verbs = 1 << iota
	provides
	calls
	declares
	publishes
	subscribes
	owns
	administers

	named        = provides | calls | declares | publishes | subscribes // what a rule with a name can speak of
	wholeChannel = joins | owns | administers
	inChannel    = named | joins | owns
)

// setOf returns the set of one verb, empty for one that does not exist.
func setOf(v auth.Verb) verbs {
	switch v {
	case auth.VerbJoin:
		return joins
	case auth.VerbProvide:
		return provides
	case auth.VerbCall:
		return calls
	case auth.VerbDeclare:
		return declares
	case auth.VerbPublish:
		return publishes
	case auth.VerbSubscribe:
		return subscribes
	case auth.VerbOwn:
		return owns
	case auth.VerbAdminister:
		return administers
	case auth.VerbAny:
		return inChannel
	}
	return 0
}

// has reports whether v, and not only a part of what it stands for, is in the set.
func (s verbs) has(v auth.Verb) bool {
	of := setOf(v)
	return of != 0 && s&of == of
}

// effect is what rules say of one place.
type effect struct{ allow, deny verbs }

func (e *effect) add(s verbs, deny bool) {
	if deny {
		e.deny |= s
	} else {
		e.allow |= s
	}
}

// table is the rules about one who:
//
//	table ── pattern of channels ── place ── whole: what concerns all its names
//	                                  └───── pattern of names ── effect
type table struct {
	channels subject.Trie[*place]
	places   map[string]*place // the same, by pattern

	given verbs // what is allowed anywhere
}

// place is the rules of a table about one pattern of channels.
type place struct {
	whole effect
	some  verbs // allowed for some of its names
	names subject.Trie[*effect]
	by    map[string]*effect // the same, by pattern
}

func newTable() *table { return &table{places: make(map[string]*place)} }

// everywhere is the pattern of all channels, and of all names.
const everywhere = ">"

// add enters a rule.
func (t *table) add(r *Rule) error {
	var s verbs
	for _, v := range r.Verbs {
		s |= setOf(v)
	}
	at := t.places[orAll(r.Channel)]
	if at == nil {
		at = &place{by: make(map[string]*effect)}
		t.places[orAll(r.Channel)] = at
		if _, err := t.channels.Insert(orAll(r.Channel), at); err != nil {
			return err
		}
	}
	if r.Name == "" {
		at.whole.add(s, r.Deny)
	} else {
		s &= named
		e := at.by[r.Name]
		if e == nil {
			e = new(effect)
			at.by[r.Name] = e
			if _, err := at.names.Insert(r.Name, e); err != nil {
				return err
			}
		}
		e.add(s, r.Deny)
	}
	if !r.Deny {
		at.some |= s
		t.given |= s
	}
	return nil
}

func orAll(pattern string) string {
	if pattern == "" {
		return everywhere
	}
	return pattern
}

// roomFor is how many places and effects are found without memory of the heap.
const roomFor = 16

// at returns what the rules say of a name in a channel. For the name "" it is what they allow
// for any name, and deny for all.
func (t *table) at(channel, name string) (e effect) {
	var places [roomFor]*place
	for _, p := range t.channels.Match(places[:0], channel) {
		e.allow |= p.whole.allow
		e.deny |= p.whole.deny
		if name == "" {
			e.allow |= p.some
			if x := p.by[everywhere]; x != nil {
				e.deny |= x.deny
			}
			continue
		}
		var effects [roomFor]*effect
		for _, x := range p.names.Match(effects[:0], name) {
			e.allow |= x.allow
			e.deny |= x.deny
		}
	}
	return e
}

// Grants are what one identity may do: the access list as it applies to it, and the bound that
// the identity has. nil is everything. They are immutable and safe for concurrent use, and share
// the tables of their Access.
type Grants struct {
	tables []*table
	listed bool // there is a list
	bound  *[]auth.Right
	who    string
}

func (g *Grants) add(t *table) {
	if t != nil && !slices.Contains(g.tables, t) {
		g.tables = append(g.tables, t)
	}
}

// at is what all tables say.
func (g *Grants) at(channel, name string) (e effect) {
	for _, t := range g.tables {
		x := t.at(channel, name)
		e.allow |= x.allow
		e.deny |= x.deny
	}
	return e
}

// May reports whether verb is allowed on a name in a channel. For the name "" it is asked of
// what concerns the whole channel, and of the others whether they are allowed for any name.
// Whoever may do anything in a channel may join it, unless that is denied, which denies all.
func (g *Grants) May(verb auth.Verb, channel, name string) bool {
	if g == nil {
		return true
	}
	if !g.within(verb, channel, name) {
		return false
	}
	if !g.listed {
		return true
	}
	e := g.at(channel, name)
	left := e.allow &^ e.deny
	switch {
	case e.deny&joins != 0:
		return false
	case verb == auth.VerbJoin:
		return left&inChannel != 0
	}
	return left.has(verb)
}

// within reports whether the bound allows something.
func (g *Grants) within(verb auth.Verb, channel, name string) bool {
	if g.bound == nil {
		return true
	}
	for i := range *g.bound {
		r := &(*g.bound)[i]
		if r.Allows(verb, channel, name) || verb == auth.VerbJoin && anything(r, channel) {
			return true
		}
	}
	return false
}

// anything reports whether r allows any verb in a channel.
func anything(r *auth.Right, channel string) bool {
	return slices.ContainsFunc(auth.Verbs(), func(v auth.Verb) bool { return v != auth.VerbAdminister && r.Allows(v, channel, "") })
}

// Verdict is what Grants say of an administrator.
type Verdict int

// The verdicts.
const (
	Silent    Verdict = iota // they say nothing: others decide
	Allowed                  // he is one
	Forbidden                // he is none, whoever he is: his bound does not have it
	Denied                   // a rule says that he is none
)

// Administers says whether the identity administers the hub, as far as it is theirs to say.
func (g *Grants) Administers() Verdict {
	if g == nil {
		return Silent
	}
	if g.bound != nil && !slices.ContainsFunc(*g.bound, func(r auth.Right) bool { return r.Allows(auth.VerbAdminister, "", "") }) {
		return Forbidden
	}
	var e effect
	for _, t := range g.tables {
		if p := t.places[everywhere]; p != nil {
			e.allow |= p.whole.allow
			e.deny |= p.whole.deny
		}
	}
	switch {
	case e.deny&administers != 0:
		return Denied
	case e.allow&administers != 0:
		return Allowed
	}
	return Silent
}

// Nothing reports whether the identity may do nothing in any channel.
func (g *Grants) Nothing() bool {
	if g == nil {
		return false
	}
	if g.bound != nil && len(*g.bound) == 0 {
		return true
	}
	if !g.listed {
		return false
	}
	var given, denied verbs
	for _, t := range g.tables {
		given |= t.given
		if p := t.places[everywhere]; p != nil {
			denied |= p.whole.deny
		}
	}
	return denied&joins != 0 || given&^denied&inChannel == 0
}
