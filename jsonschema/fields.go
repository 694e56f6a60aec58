// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"reflect"
	"slices"
	"strings"
)

// field is a member of a struct's JSON object.
type field struct {
	name     string
	typ      reflect.Type
	required bool // it is always written
	quoted   bool // as a string
	doc      string

	tagged bool
	depth  int
	order  int
}

// fieldsOf returns the members of a struct as encoding/json has them: of several with one
// name the least embedded, of those the tagged one; if that leaves more than one, none.
func fieldsOf(t reflect.Type) []field {
	c := collector{seen: map[reflect.Type]bool{}}
	level := []embedded{{t, true}}
	for depth := 0; len(level) > 0; depth++ {
		c.next = nil
		for _, e := range level {
			if !c.seen[e.typ] {
				c.add(e, depth)
			}
		}
		for _, e := range level {
			c.seen[e.typ] = true
		}
		level = c.next
	}
	return dominant(c.all)
}

// embedded is a struct whose fields count as the outer one's.
type embedded struct {
	typ    reflect.Type
	always bool // not behind a pointer, which may be nil
}

type collector struct {
	seen map[reflect.Type]bool
	all  []field
	next []embedded
}

// add adds the fields of a struct, and the structs that are embedded in it to the next
// level.
func (c *collector) add(e embedded, depth int) {
	for i := range e.typ.NumField() {
		f := e.typ.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer && inner.Name() == "" {
			inner = inner.Elem()
		}
		if f.Anonymous && inner.Kind() != reflect.Struct && !f.IsExported() || !f.Anonymous && !f.IsExported() {
			continue
		}
		if f.Anonymous && name == "" && inner.Kind() == reflect.Struct {
			c.next = append(c.next, embedded{inner, e.always && f.Type.Kind() != reflect.Pointer})
			continue
		}
		if !f.IsExported() {
			continue
		}
		c.all = append(c.all, member(&f, name, options, e.always, depth, len(c.all)))
	}
}

func member(f *reflect.StructField, name, options string, always bool, depth, order int) field {
	words := strings.Split(options, ",")
	m := field{
		name: name, typ: f.Type, tagged: name != "", depth: depth, order: order, doc: f.Tag.Get("description"),
		required: always && !slices.Contains(words, "omitempty") && !slices.Contains(words, "omitzero"),
	}
	if name == "" {
		m.name = f.Name
	}
	if slices.Contains(words, "string") {
		switch base := deref(f.Type).Kind(); {
		case base >= reflect.Bool && base <= reflect.Float64 || base == reflect.String:
			m.quoted = true
		}
	}
	return m
}

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// dominant drops the fields that others hide.
func dominant(all []field) []field {
	byName := make(map[string][]field)
	for _, f := range all {
		byName[f.name] = append(byName[f.name], f)
	}
	var out []field
	for _, same := range byName {
		slices.SortStableFunc(same, func(a, b field) int {
			switch {
			case a.depth != b.depth:
				return a.depth - b.depth
			case a.tagged != b.tagged && a.tagged:
				return -1
			case a.tagged != b.tagged:
				return 1
			}
			return a.order - b.order
		})
		if len(same) > 1 && same[0].depth == same[1].depth && same[0].tagged == same[1].tagged {
			continue
		}
		out = append(out, same[0])
	}
	slices.SortFunc(out, func(a, b field) int { return a.order - b.order })
	return out
}
