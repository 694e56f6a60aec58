// SPDX-License-Identifier: Apache-2.0

package codec

import "slices"

// Set holds codecs by ID and by name. It is an immutable value, cheap to copy; the zero
// value holds Raw, JSON and Fixed.
type Set struct {
	t *table // nil: builtin
}

// table is what copies of a Set share; it is never written to once a Set holds it.
type table struct {
	list   []Codec // sorted by ID
	byID   [256]Codec
	byName map[string]Codec
}

// builtin is the table of the zero Set; like any table it is never written to.
var builtin = newTable([]Codec{Raw{}, JSON{}, Fixed{}})

// NewSet returns a Set of exactly these codecs. Of two with the same ID or the same name
// the later one stays.
func NewSet(codecs ...Codec) Set { return Set{newTable(codecs)} }

// With returns a Set that holds these codecs, too. They replace those that have the same ID
// or the same name.
func (s Set) With(codecs ...Codec) Set {
	return NewSet(slices.Concat(s.table().list, codecs)...)
}

// ByID returns the codec with the number id. It does not allocate.
func (s Set) ByID(id ID) (Codec, bool) {
	c := s.table().byID[id]
	return c, c != nil
}

// ByName returns the codec with that name. It does not allocate.
func (s Set) ByName(name string) (Codec, bool) {
	c, ok := s.table().byName[name]
	return c, ok
}

// All returns the codecs, sorted by ID, in a slice that belongs to the caller.
func (s Set) All() []Codec { return slices.Clone(s.table().list) }

func (s Set) table() *table {
	if s.t == nil {
		return builtin
	}
	return s.t
}

func newTable(codecs []Codec) *table {
	t := &table{byName: make(map[string]Codec, len(codecs))}
	for _, c := range codecs {
		t.drop(t.byID[c.ID()])
		t.drop(t.byName[c.Name()])
		t.byID[c.ID()], t.byName[c.Name()] = c, c
	}
	for _, c := range t.byID {
		if c != nil {
			t.list = append(t.list, c)
		}
	}
	return t
}

// drop removes c, which may be nil, while the table is built.
func (t *table) drop(c Codec) {
	if c != nil {
		t.byID[c.ID()] = nil
		delete(t.byName, c.Name())
	}
}
