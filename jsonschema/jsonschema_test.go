// SPDX-License-Identifier: Apache-2.0

package jsonschema_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

type tree struct {
	Name     string  `json:"name"`
	Children []*tree `json:"children,omitempty"`
	Parent   *leaf   `json:"parent"`
}

type leaf struct {
	Of   *tree `json:"of"`
	Next []list
}

type list []list

type base struct {
	ID     int64  `json:"id,string"`
	Hidden string `json:"hidden"`
	secret int    //nolint:unused // fields without a capital are not in the JSON
}

type optional struct {
	Maybe bool `json:"maybe"`
}

type order struct {
	base
	*optional
	Hidden  int       `json:"hidden" description:"how often"`
	When    time.Time `json:"when"`
	Till    *time.Time
	Data    []byte            `json:"data,omitempty"`
	Skipped chan int          `json:"-"`
	Odd     any               `json:"odd,omitzero"`
	Tags    map[string]string `json:"tags"`
	Point   [2]float32
	Small   int8
	Port    uint16
	Big     uint64
	Who     netip.Addr
	Sum     *big.Int
	Raw     json.RawMessage
	Lasts   time.Duration
	ByNum   map[int]leaf
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		t    reflect.Type
		want string
	}{
		{reflect.TypeFor[any](), ""},
		{reflect.TypeFor[json.RawMessage](), ""},
		{reflect.TypeFor[chan int](), ""},
		{reflect.TypeFor[map[float64]int](), ""},
		{reflect.TypeFor[string](), `{"type":"string"}`},
		{reflect.TypeFor[*bool](), `{"type":["boolean","null"]}`},
		{reflect.TypeFor[[]byte](), `{"type":["string","null"],"contentEncoding":"base64"}`},
		{reflect.TypeFor[[3]int8](), `{"type":"array","minItems":3,"maxItems":3,"items":{"type":"integer","minimum":-128,"maximum":127}}`},
		{reflect.TypeFor[map[string]any](), `{"type":["object","null"]}`},
		{reflect.TypeFor[json.Number](), `{"type":"number"}`},
		{reflect.TypeFor[struct{}](), `{"type":"object"}`},
		{reflect.TypeFor[list](), `{"type":["array","null"],"items":{"$ref":"#"}}`},
		{reflect.TypeFor[tree](), `{"type":"object","properties":{"name":{"type":"string"},` +
			`"children":{"type":["array","null"],"items":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},` +
			`"parent":{"anyOf":[{"$ref":"#/$defs/leaf"},{"type":"null"}]}},"required":["name","parent"],` +
			`"$defs":{"leaf":{"type":"object","properties":{"of":{"anyOf":[{"$ref":"#"},{"type":"null"}]},` +
			`"Next":{"type":["array","null"],"items":{"$ref":"#/$defs/list"}}},"required":["of","Next"]},` +
			`"list":{"type":["array","null"],"items":{"$ref":"#/$defs/list"}}}}`},
	} {
		got, err := jsonschema.Of(c.t)
		if err != nil || string(got) != c.want {
			t.Errorf("%v:\n got %s, %v\nwant %s", c.t, got, err, c.want)
		}
		if err := jsonschema.Check(got); err != nil {
			t.Errorf("%v: %v", c.t, err)
		}
	}
}

// The members of the schema are those that encoding/json writes.
func TestMembers(t *testing.T) {
	schema, err := jsonschema.For[order]()
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Properties map[string]struct{ Type, Description any }
		Required   []string
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	full, err := json.Marshal(order{optional: &optional{}, Data: []byte{1}, Odd: 1, Till: &now, Who: netip.MustParseAddr("::1")})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := json.Marshal(order{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys(t, full), len(s.Properties); len(got) != want {
		t.Errorf("%d members, the schema has %d", len(got), want)
	}
	for _, k := range keys(t, full) {
		if _, ok := s.Properties[k]; !ok {
			t.Errorf("%q is not in the schema", k)
		}
	}
	slices.Sort(s.Required)
	if got := keys(t, empty); !slices.Equal(got, s.Required) {
		t.Errorf("required are %v, always written are %v", s.Required, got)
	}
	if s.Properties["id"].Type != "string" || s.Properties["hidden"].Type != "integer" || s.Properties["hidden"].Description != "how often" {
		t.Errorf("%+v", s.Properties)
	}
}

func keys(t *testing.T, object []byte) []string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(object, &m); err != nil {
		t.Fatal(err)
	}
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

type pair[A, B any] struct {
	A A
	B B
}

// Names that are the same in Go's eyes stay apart, and need no escape.
func TestNames(t *testing.T) {
	type leaf struct{ Other int }
	schema, err := jsonschema.For[struct {
		P pair[leaf, map[string]leaf]
		Q pair[tree, int]
	}]()
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatal(err)
	}
	if s.Defs["leaf"].Properties["Other"] == nil || s.Defs["leaf2"].Properties["of"] == nil {
		t.Errorf("%s", schema)
	}
	for name := range s.Defs {
		if strings.ContainsAny(name, "[]/,~%# ") {
			t.Errorf("name %q", name)
		}
	}
}

// A type whose schema is too long is refused instead of cut.
func TestOfIsBounded(t *testing.T) {
	var fields []reflect.StructField
	for i := range 600 {
		fields = append(fields, reflect.StructField{Name: "F" + strings.Repeat("x", i%50+20) + strings.Repeat("y", i), Type: reflect.TypeFor[int]()})
	}
	if _, err := jsonschema.Of(reflect.StructOf(fields)); !errors.Is(err, status.TooLarge) {
		t.Fatal(err)
	}
	wide := reflect.TypeFor[int]()
	for range 12 { // doubles each time: without names nothing can be shared
		wide = reflect.StructOf([]reflect.StructField{{Name: "A", Type: wide}, {Name: "B", Type: wide}})
	}
	if _, err := jsonschema.Of(wide); !errors.Is(err, status.TooLarge) {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		schema string
		want   status.Code
	}{
		{"", status.OK},
		{"true", status.OK},
		{" {} ", status.OK},
		{`{"type":"object","properties":{"$ref":{"type":"string"}}}`, status.OK},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#"}}}`, status.OK},
		{`{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}`, status.OK},
		{"7", status.InvalidArgument},
		{"null", status.InvalidArgument},
		{`{"type":`, status.InvalidArgument},
		{`{} {}`, status.InvalidArgument},
		{`{"$ref":"https://example.com/s.json"}`, status.InvalidArgument},
		{`{"anyOf":[{"$ref":"file:///etc/passwd"}]}`, status.InvalidArgument},
		{`{"$dynamicRef":"other.json#x"}`, status.InvalidArgument},
		{strings.Repeat(`{"not":`, 40) + "true" + strings.Repeat("}", 40), status.InvalidArgument},
		{strings.Repeat(`[`, 1000), status.InvalidArgument},
		{`{"description":"` + strings.Repeat("x", 1<<20) + `"}`, status.TooLarge},
	} {
		if err := jsonschema.Check([]byte(c.schema)); status.CodeOf(err) != c.want {
			t.Errorf("%.60s: %v", c.schema, err)
		}
	}
}

func TestCompact(t *testing.T) {
	for in, want := range map[string]string{"": "", "  ": "", " true ": "", "{ }": "", "false": "false", `{ "a" : 1 }`: `{"a":1}`, "{": "{"} {
		if got := jsonschema.Compact([]byte(in)); string(got) != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestViolation(t *testing.T) {
	v := jsonschema.Violation{Pointer: "/a/0", Reason: strings.Repeat("long ", 1000), Keyword: "type", Subject: jsonschema.Input}
	err := v.Err("the request of math/add")
	got, ok := jsonschema.ViolationOf(err)
	if !ok || got.Pointer != "/a/0" || len(got.Reason) > 600 || !strings.HasPrefix(err.Message, "the request of math/add does not fit the schema: /a/0: long") {
		t.Fatal(got, ok, err)
	}
	for _, err := range []error{nil, errors.New("x"), status.InvalidArgument, &status.Error{Code: status.InvalidArgument, Details: []byte("{}")},
		&status.Error{Code: status.Failed, Details: err.Details}} {
		if _, ok := jsonschema.ViolationOf(err); ok {
			t.Errorf("%v tells of a violation", err)
		}
	}
}

// FuzzCheck: no bytes make Check panic or call what is no schema one.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"$ref":"#"}`, `{"$ref":"http://x"}`, "true", "[", `{"a":"\\"}`, `{"a":"\"[["}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, schema []byte) {
		compact := jsonschema.Compact(schema)
		if err := jsonschema.Check(schema); err != nil || len(schema) == 0 {
			return
		}
		if !json.Valid(schema) || len(schema) > jsonschema.MaxBytes {
			t.Fatalf("%q passes", schema)
		}
		if err := jsonschema.Check(compact); err != nil {
			t.Fatalf("%q: %v", compact, err)
		}
	})
}
