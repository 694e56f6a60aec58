// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// maxNodes bounds the parts of an inferred schema, before MaxBytes does.
const maxNodes = 4096

// Of returns the schema of what encoding/json makes of a t; nil if it could be anything.
//
// Struct tags count. A field is required unless it is marked omitempty or omitzero, or lies
// in an embedded pointer; further members are allowed, so that a caller may know more than
// the provider. What may be nil in Go may be null. []byte is a base64 string, time.Time a
// date-time, what implements TextMarshaler a string; what implements json.Marshaler, and what
// JSON cannot carry, is anything. Types with names stand in $defs, so recursion ends. The tag
// description:"…" becomes the description of a field.
//
// The error, status.TooLarge, says that the schema would exceed MaxBytes.
func Of(t reflect.Type) (json.RawMessage, error) {
	in := inferrer{root: t, names: make(map[reflect.Type]string), taken: make(map[string]bool), defs: make(map[string]*node)}
	n := in.of(t, true)
	if len(in.defs) > 0 {
		n.Defs = in.defs
	}
	b, err := json.Marshal(n)
	if in.count > maxNodes || err == nil && len(b) > MaxBytes {
		return nil, status.Errorf(status.TooLarge, "the schema of %s would have more than %d bytes: give a shorter one, or none", t, MaxBytes)
	}
	if err != nil {
		return nil, status.Errorf(status.Internal, "the schema of %s: %w", t, err) // cannot be
	}
	return Compact(b), nil
}

// For returns the schema of T, see Of.
func For[T any]() (json.RawMessage, error) { return Of(reflect.TypeFor[T]()) }

// node is a schema. The zero node fits anything.
type node struct {
	Ref         string           `json:"$ref,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"` // a string or a list of them
	Format      string           `json:"format,omitempty"`
	Encoding    string           `json:"contentEncoding,omitempty"`
	Minimum     json.Number      `json:"minimum,omitempty"`
	Maximum     json.Number      `json:"maximum,omitempty"`
	MinItems    *int             `json:"minItems,omitempty"`
	MaxItems    *int             `json:"maxItems,omitempty"`
	Items       *node            `json:"items,omitempty"`
	Properties  properties       `json:"properties,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Additional  *node            `json:"additionalProperties,omitempty"`
	AnyOf       []*node          `json:"anyOf,omitempty"`
	Defs        map[string]*node `json:"$defs,omitempty"`
}

// properties keep the order of the struct.
type properties []property

type property struct {
	name string
	node *node
}

// MarshalJSON implements json.Marshaler.
func (p properties) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, e := range p {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(e.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.node)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

type inferrer struct {
	root  reflect.Type
	count int
	names map[reflect.Type]string // of the types in defs
	taken map[string]bool
	defs  map[string]*node
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	numberType    = reflect.TypeFor[json.Number]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

// implements reports whether t, or a pointer to it, has the methods of an interface.
func implements(t, iface reflect.Type) bool {
	return t.Implements(iface) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(iface)
}

// opaque reports whether a type writes its own JSON, so that its fields mean nothing.
func opaque(t reflect.Type) bool {
	return implements(t, marshalerType) || implements(t, textType)
}

// of returns the schema of t. Only the outermost is written where it stands although it
// has a name.
func (in *inferrer) of(t reflect.Type, outermost bool) *node {
	if in.count++; in.count > maxNodes {
		return &node{}
	}
	if n := special(t); n != nil {
		return n
	}
	if t.Name() != "" && isContainer(t.Kind()) {
		if t == in.root && !outermost {
			return &node{Ref: "#"}
		}
		if !outermost {
			return &node{Ref: "#/$defs/" + in.define(t)}
		}
	}
	return in.kind(t)
}

func isContainer(k reflect.Kind) bool {
	switch k {
	case reflect.Struct, reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer:
		return true
	}
	return false
}

// special returns the schema of types whose JSON does not follow from their kind, nil for
// others.
func special(t reflect.Type) *node {
	switch base := deref(t); {
	case base == timeType:
		return nullable(&node{Type: "string", Format: "date-time"}, t)
	case base == numberType:
		return nullable(&node{Type: "number"}, t)
	case implements(t, marshalerType):
		return &node{}
	case implements(t, textType):
		return nullable(&node{Type: "string"}, t)
	}
	return nil
}

// nullable allows null where t can be nil.
func nullable(n *node, t reflect.Type) *node {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
	default:
		return n
	}
	switch kind := n.Type.(type) {
	case string:
		n.Type = []string{kind, "null"}
		return n
	case []string:
		return n
	}
	if n.Ref == "" && n.AnyOf == nil {
		return n // anything
	}
	return &node{AnyOf: []*node{n, {Type: "null"}}}
}

// define returns the name in $defs of a type, which is entered there.
func (in *inferrer) define(t reflect.Type) string {
	if name, ok := in.names[t]; ok {
		return name
	}
	base := plain(t.Name())
	name := base
	for i := 2; in.taken[name]; i++ {
		name = base + strconv.Itoa(i)
	}
	in.names[t], in.taken[name] = name, true
	in.defs[name] = in.kind(t)
	return name
}

// plain makes a name that needs no escape in a reference.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
			return r
		}
		return '_'
	}, name)
}

// kind returns the schema that follows from the kind of t.
func (in *inferrer) kind(t reflect.Type) *node {
	switch k := t.Kind(); k {
	case reflect.Bool:
		return &node{Type: "boolean"}
	case reflect.String:
		return &node{Type: "string"}
	case reflect.Float32, reflect.Float64:
		return &node{Type: "number"}
	case reflect.Pointer:
		return nullable(in.of(t.Elem(), false), t)
	case reflect.Array:
		n := t.Len()
		return &node{Type: "array", Items: in.of(t.Elem(), false), MinItems: &n, MaxItems: &n}
	case reflect.Slice:
		if e := t.Elem(); e.Kind() == reflect.Uint8 && !opaque(e) {
			return nullable(&node{Type: "string", Encoding: "base64"}, t)
		}
		return nullable(&node{Type: "array", Items: in.of(t.Elem(), false)}, t)
	case reflect.Map:
		return in.ofMap(t)
	case reflect.Struct:
		return in.ofStruct(t)
	default:
		return integer(k)
	}
}

// integer returns the schema of an integer kind, and anything for what JSON has no form of.
func integer(k reflect.Kind) *node {
	bits := map[reflect.Kind]int{reflect.Int8: 8, reflect.Int16: 16, reflect.Int32: 32, reflect.Uint8: 8, reflect.Uint16: 16, reflect.Uint32: 32}[k]
	switch {
	case k >= reflect.Int && k <= reflect.Int64 && bits == 0:
		return &node{Type: "integer"}
	case k >= reflect.Int && k <= reflect.Int64:
		return &node{
			Type:    "integer",
			Minimum: json.Number(strconv.FormatInt(math.MinInt64>>(64-bits), 10)), Maximum: json.Number(strconv.FormatInt(math.MaxInt64>>(64-bits), 10)),
		}
	case k >= reflect.Uint && k <= reflect.Uintptr && bits == 0:
		return &node{Type: "integer", Minimum: "0"}
	case k >= reflect.Uint && k <= reflect.Uintptr:
		return &node{Type: "integer", Minimum: "0", Maximum: json.Number(strconv.FormatUint(math.MaxUint64>>(64-bits), 10))}
	}
	return &node{}
}

func (in *inferrer) ofMap(t reflect.Type) *node {
	switch k := t.Key().Kind(); {
	case k == reflect.String, k >= reflect.Int && k <= reflect.Uintptr, t.Key().Implements(textType):
	default:
		return &node{}
	}
	n := &node{Type: "object", Additional: in.of(t.Elem(), false)}
	if n.Additional.anything() {
		n.Additional = nil
	}
	return nullable(n, t)
}

// anything reports whether everything fits n.
func (n *node) anything() bool { return n.Type == nil && n.Ref == "" && n.AnyOf == nil }

func (in *inferrer) ofStruct(t reflect.Type) *node {
	n := &node{Type: "object"}
	for _, f := range fieldsOf(t) {
		p := in.of(f.typ, false)
		if f.quoted {
			p = nullable(&node{Type: "string"}, f.typ)
		}
		p.Description = f.doc
		n.Properties = append(n.Properties, property{f.name, p})
		if f.required {
			n.Required = append(n.Required, f.name)
		}
	}
	return n
}
