// SPDX-License-Identifier: Apache-2.0

package codectest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
)

// vector is one entry of a vectors file. The file itself explains its members to those
// who run it in other languages.
type vector struct {
	Name       string
	Codec      string
	Value      json.RawMessage
	Layout     json.RawMessage
	Hex        string
	DecodeOnly bool `json:"decode_only"`
	Refuse     codec.Reason
}

// Special turns the argument of a marked value of a vectors file, {"$name": argument}, into
// the Go value that it stands for.
type Special map[string]func(arg any) (any, error)

// Vectors checks c against the vectors of the file that are for it (by name): the value
// encodes to the bytes, the bytes decode to the value. special adds to what it knows:
// $bytes (hex), $int and $float (decimal text).
func Vectors(t *testing.T, c codec.Codec, path string, special Special) {
	for _, v := range load(t, path) {
		if v.Codec == c.Name() {
			t.Run(v.Name, func(t *testing.T) { v.check(t, c, special) })
		}
	}
}

func load(t *testing.T, path string) []vector {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

func (v vector) check(t *testing.T, c codec.Codec, special Special) {
	data, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	target, want, err := v.goValue(special)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Decode(data, target)
	if v.Refuse != "" {
		if e, ok := err.(*codec.Error); !ok || e.Reason != v.Refuse {
			t.Fatalf("Decode = %v, want it refused as %q", err, v.Refuse)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	same(t, c, target, want)
	if got, err := c.Append(nil, want); !v.DecodeOnly && (err != nil || !bytes.Equal(got, data)) {
		t.Errorf("encodes as %x, want %x (%v)", got, data, err)
	}
}

// same compares two values by what they encode to, which is deterministic: that sees through
// times, big integers and NaN, where DeepEqual does not.
func same(t *testing.T, c codec.Codec, got, want any) {
	t.Helper()
	a, errA := c.Append(nil, got)
	b, errB := c.Append(nil, want)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("decodes to %+v = %x (%v), want %+v = %x (%v)", reflect.ValueOf(got).Elem(), a, errA, want, b, errB)
	}
}

// goValue returns where to decode into and what is expected there.
func (v vector) goValue(special Special) (target, want any, err error) {
	if v.Layout != nil {
		return v.fixedValue()
	}
	if v.Value == nil {
		return new(any), nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(v.Value))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, nil, err
	}
	want, err = special.expand(tree)
	return new(any), want, err
}

// fixedValue makes the type that the layout describes and fills it from the value.
func (v vector) fixedValue() (target, want any, err error) {
	var layout any
	if err := json.Unmarshal(v.Layout, &layout); err != nil {
		return nil, nil, err
	}
	typ, err := layoutType(layout)
	if err != nil {
		return nil, nil, err
	}
	p := reflect.New(typ)
	if v.Value != nil {
		err = json.Unmarshal(v.Value, p.Interface())
	}
	return reflect.New(typ).Interface(), p.Elem().Interface(), err
}

// expand replaces marked values and numbers in a tree of JSON.
func (s Special) expand(tree any) (any, error) {
	switch v := tree.(type) {
	case json.Number:
		return number(v)
	case []any:
		return s.expandList(v)
	case map[string]any:
		for name, arg := range v {
			if len(v) == 1 && len(name) > 1 && name[0] == '$' {
				return s.mark(name, arg)
			}
		}
		return s.expandMap(v)
	}
	return tree, nil
}

func (s Special) expandList(v []any) (any, error) {
	out := make([]any, len(v))
	for i := range v {
		var err error
		if out[i], err = s.expand(v[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s Special) expandMap(v map[string]any) (any, error) {
	out := make(map[string]any, len(v))
	for k := range v {
		var err error
		if out[k], err = s.expand(v[k]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mark expands the argument, then the mark.
func (s Special) mark(name string, arg any) (any, error) {
	arg, err := s.expand(arg)
	if err != nil {
		return nil, err
	}
	if f, ok := s[name]; ok {
		return f(arg)
	}
	text, ok := arg.(string)
	if !ok {
		return nil, fmt.Errorf("%s needs a text", name)
	}
	switch name {
	case "$bytes":
		return hex.DecodeString(text)
	case "$int":
		return integer(text)
	case "$float":
		return float(text)
	}
	return nil, fmt.Errorf("%s is not known", name)
}
