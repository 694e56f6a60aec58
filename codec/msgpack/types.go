// SPDX-License-Identifier: Apache-2.0

package msgpack

import (
	"cmp"
	"encoding"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// way is how a type is carried if not by its kind.
type way uint8

const (
	byKind way = iota
	byTime
	byExt
	byMsgp // generated code
	byText // MarshalText and UnmarshalText
)

// info is what has to be known about a type; it is immutable.
type info struct {
	way    way
	addr   bool // the methods are on the pointer
	fields []field
	byName map[string]int // index in fields
}

// field is a field of a struct, perhaps of an embedded one.
type field struct {
	name  string
	index []int
	omit  func(reflect.Value) bool // nil: never
}

// infos caches the info of every type with methods or fields: reflect.Type → *info. It is
// package state because types are; it holds one entry per type of the program and nothing
// that a peer sends can add one.
var infos sync.Map

// plain is the info of all types without methods and fields.
var plain = &info{}

func infoOf(t reflect.Type) *info {
	if t.PkgPath() == "" && t.Kind() != reflect.Struct {
		return plain
	}
	if known, ok := infos.Load(t); ok {
		return known.(*info)
	}
	known, _ := infos.LoadOrStore(t, newInfo(t))
	return known.(*info)
}

func newInfo(t reflect.Type) *info {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &info{way: byTime}
	case t == reflect.TypeFor[Ext]():
		return &info{way: byExt}
	case t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer:
		return plain
	}
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(reflect.TypeFor[msgp.Marshaler]()) && p.Implements(reflect.TypeFor[msgp.Unmarshaler]()):
		return &info{way: byMsgp, addr: !t.Implements(reflect.TypeFor[msgp.Marshaler]())}
	case p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) && p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return &info{way: byText, addr: !t.Implements(reflect.TypeFor[encoding.TextMarshaler]())}
	case t.Kind() == reflect.Struct:
		return structInfo(t)
	}
	return plain
}

// structInfo lists the fields.
func structInfo(t reflect.Type) *info {
	in := &info{byName: map[string]int{}}
	in.collect(t, nil)
	for i := range in.fields {
		in.byName[in.fields[i].name] = i
	}
	return in
}

// collect adds the fields of t, which lies at index: of two with one name, the one nearer to
// the top stays, and of two equally near the first.
func (in *info) collect(t reflect.Type, index []int) {
	for i := range t.NumField() {
		f, path := t.Field(i), append(slices.Clone(index), i)
		name, omit, ok := parseTag(f)
		switch {
		case !ok:
		case name == "" && flattened(f):
			in.collect(f.Type, path)
		case f.IsExported():
			in.add(field{name: cmp.Or(name, f.Name), index: path, omit: omit})
		}
	}
}

func (in *info) add(this field) {
	i := slices.IndexFunc(in.fields, func(f field) bool { return f.name == this.name })
	switch {
	case i < 0:
		in.fields = append(in.fields, this)
	case len(this.index) < len(in.fields[i].index):
		in.fields[i] = this
	}
}

// parseTag reads the tags of a field; ok is false if they exclude it.
func parseTag(f reflect.StructField) (name string, omit func(reflect.Value) bool, ok bool) {
	tag, tagged := f.Tag.Lookup("msgpack")
	if !tagged {
		tag = f.Tag.Get("json")
	}
	name, opts, _ := strings.Cut(tag, ",")
	for opt := range strings.SplitSeq(opts, ",") {
		switch opt {
		case "omitempty":
			omit = isEmpty
		case "omitzero":
			omit = reflect.Value.IsZero
		}
	}
	return name, omit, tag != "-"
}

// flattened reports whether the fields of f count as fields of the struct that embeds it.
func flattened(f reflect.StructField) bool {
	return f.Anonymous && f.Type.Kind() == reflect.Struct && infoOf(f.Type).way == byKind
}

// isEmpty is what omitempty means in encoding/json.
func isEmpty(rv reflect.Value) bool {
	switch rv.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return rv.Len() == 0
	case reflect.Struct:
		return false
	}
	return rv.IsZero()
}
