// SPDX-License-Identifier: Apache-2.0

package validate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/jsonschema/validate"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

var _ jsonschema.Validator = (*validate.Validator)(nil)

func compile(t testing.TB, schema string) jsonschema.Judge {
	t.Helper()
	j, err := validate.New().Compile(json.RawMessage(schema))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

const person = `{"type":"object","required":["name"],"properties":{
	"name":{"type":"string","minLength":1,"maxLength":8,"pattern":"^[A-Z]"},
	"age":{"type":"integer","minimum":0,"maximum":150},
	"a/b~c":{"enum":["x","y"]},
	"friends":{"type":"array","items":{"$ref":"#"}},
	"size":{"multipleOf":0.5}}}`

func TestJudge(t *testing.T) {
	j := compile(t, person)
	for _, c := range []struct{ value, pointer, keyword string }{
		{`{"name":"Ann","age":3,"friends":[{"name":"Bob","more":true}],"size":1.5}`, "ok", ""},
		{`{"name":"Ann","age":3.0}`, "ok", ""},
		{`{"age":3}`, "", "required"},
		{`[]`, "", "type"},
		{`{"name":7}`, "/name", "type"},
		{`{"name":""}`, "/name", ""}, // two reasons
		{`{"name":"ann"}`, "/name", "pattern"},
		{`{"name":"Annabella"}`, "/name", "maxLength"},
		{`{"name":"A","age":-1}`, "/age", "minimum"},
		{`{"name":"A","age":151}`, "/age", "maximum"},
		{`{"name":"A","age":1.5}`, "/age", "type"},
		{`{"name":"A","age":9007199254740993}`, "/age", "maximum"},
		{`{"name":"A","a/b~c":"z"}`, "/a~1b~0c", "enum"},
		{`{"name":"A","friends":[{"name":"B"},{"name":"C","friends":[{}]}]}`, "/friends/1/friends/0", "required"},
		{`{"name":"A","size":0.7}`, "/size", "multipleOf"},
		{`{"name":`, "", ""},
		{`{"name":"A","age":1e999999999}`, "", ""},
		{strings.Repeat("[", 100) + strings.Repeat("]", 100), "", ""},
		{``, "", ""},
	} {
		err := j(uint8(codec.IDJSON), []byte(c.value))
		v, ok := jsonschema.ViolationOf(err)
		if c.pointer == "ok" {
			if err != nil {
				t.Errorf("%s: %v", c.value, err)
			}
			continue
		}
		if !ok || !errors.Is(err, status.InvalidArgument) || v.Pointer != c.pointer || c.keyword != "" && v.Keyword != c.keyword {
			t.Errorf("%.60s: %+v, %v", c.value, v, err)
		}
	}
}

// Bytes are what they are in JSON; a codec that is not known here fits everything.
func TestCodecs(t *testing.T) {
	j := compile(t, `{"type":"string","contentEncoding":"base64"}`)
	if err := j(uint8(codec.IDRaw), []byte{0, 255}); err != nil {
		t.Error(err)
	}
	j = compile(t, `{"type":"object"}`)
	if _, ok := jsonschema.ViolationOf(j(uint8(codec.IDRaw), []byte("{}"))); !ok {
		t.Error("bytes fit an object")
	}
	if err := j(77, []byte("?")); err != nil {
		t.Error(err)
	}
	j, err := validate.New(odd{}).Compile(json.RawMessage(`{"properties":{"1":{"type":"string"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := jsonschema.ViolationOf(j(200, []byte("map"))); v.Pointer != "/1" {
		t.Errorf("%+v", v)
	}
	for _, kind := range []string{"inf", "chan", "key"} {
		if _, ok := jsonschema.ViolationOf(j(200, []byte(kind))); !ok {
			t.Errorf("%s fits", kind)
		}
	}
}

// odd is a codec whose values are not those of encoding/json.
type odd struct{ codec.JSON }

func (odd) ID() codec.ID { return 200 }
func (odd) Name() string { return "odd" }
func (odd) Decode(data []byte, v any) error {
	*v.(*any) = map[string]any{
		"map": map[any]any{1: float32(2), "b": []byte("x")}, "inf": []any{float32(math.Inf(1))}, "chan": make(chan int), "key": map[any]any{[1]int{}: 1},
	}[string(data)]
	return nil
}

func TestCompileRefuses(t *testing.T) {
	for _, schema := range []string{
		`{"type":"objekt"}`, `{"type":`, `7`, `{"pattern":"("}`, `{"$ref":"#/$defs/none"}`, `{"$ref":"https://example.com/x"}`,
		`{"$schema":"https://example.com/meta"}`, `{"$id":"https://example.com/a","$ref":"#/nothing"}`, `{"maximum":1e999999999}`,
		`{"pattern":"((((a{100}){100}){100}){100})"}`, `{"pattern":"(a{1000}){1000}"}`, `{"pattern":"` + strings.Repeat("[a-z]?", 1000) + `"}`,
		`{"minLength":-1}`, `{"required":"a"}`, `{"properties":[]}`, strings.Repeat(`{"not":`, 100) + "true" + strings.Repeat("}", 100),
	} {
		if _, err := validate.New().Compile(json.RawMessage(schema)); !errors.Is(err, status.InvalidArgument) {
			t.Errorf("%.60s: %v", schema, err)
		} else if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "plexus:") {
			t.Errorf("%q", err)
		}
	}
}

// TestBombs: what is made to take for ever ends, and says why. Each case would run for
// longer than the universe, or eat all memory, without the meter.
func TestBombs(t *testing.T) {
	twice := func(n int) string { // each level tries the next one twice
		var b strings.Builder
		b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
		for i := range n {
			fmt.Fprintf(&b, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
		}
		fmt.Fprintf(&b, `"d%d":{"type":"null"}}}`, n)
		return b.String()
	}
	deep := strings.Repeat(`{"a":`, 31) + "1" + strings.Repeat("}", 31)
	for name, c := range map[string]struct{ schema, value string }{
		"anyOf": {twice(100), "1"},
		"allOf": {`{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}],"type":"object"}`, deep},
		"oneOf": {`{"oneOf":[{"properties":{"a":{"$ref":"#"}},"minProperties":2},{"properties":{"a":{"$ref":"#"}},"minProperties":2}]}`, deep},
	} {
		j := compile(t, c.schema)
		if err := j(uint8(codec.IDJSON), []byte(c.value)); err == nil || name != "oneOf" && !errors.Is(err, status.LimitExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A cycle that gets nowhere.
	for _, schema := range []string{`{"$ref":"#"}`, `{"allOf":[{"$ref":"#"}]}`, `{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"$ref":"#"}}}`} {
		if j, err := validate.New().Compile(json.RawMessage(schema)); err == nil && j(uint8(codec.IDJSON), []byte("1")) == nil {
			t.Errorf("%s: 1 fits", schema)
		}
	}
	// A pattern that backtracking engines never come back from.
	j := compile(t, `{"pattern":"^(a+)+$","maxLength":900000}`)
	if err := j(uint8(codec.IDJSON), []byte(`"`+strings.Repeat("a", 50_000)+`!"`)); err == nil {
		t.Error("it fits")
	}
	j = compile(t, `{"items":{"pattern":"`+strings.Repeat("(x|y)*", 100)+`$"}}`)
	many := `["` + strings.Repeat(strings.Repeat("xy", 50)+`","`, 1_000) + `z"]`
	if err := j(uint8(codec.IDJSON), []byte(many)); !errors.Is(err, status.LimitExceeded) {
		t.Error(err)
	}
	if err := j(uint8(codec.IDJSON), []byte(`"`+strings.Repeat("a", validate.MaxPayload)+`"`)); !errors.Is(err, status.LimitExceeded) {
		t.Error(err)
	}
}

// Of a large value the wrong part is found, and what is right costs no complaint.
func TestLarge(t *testing.T) {
	item := `{"name":"Ann","friends":[{"name":"Bob"}]}`
	list := func(last string) []byte {
		return []byte(`{"list":[` + strings.Repeat(item+",", 5000) + last + `],"tail":1}`)
	}
	j := compile(t, `{"allOf":[{"properties":{"list":{"type":"array","items":{"$ref":"#/$defs/p"}}}}],"$defs":{"p":`+strings.ReplaceAll(person, `"#"`, `"#/$defs/p"`)+`}}`)
	if err := j(uint8(codec.IDJSON), list(item)); err != nil {
		t.Fatal(err)
	}
	v, _ := jsonschema.ViolationOf(j(uint8(codec.IDJSON), list(`{"name":"Ann","friends":[{"name":"x"}]}`)))
	if v.Pointer != "/list/5000/friends/0/name" || v.Keyword != "pattern" {
		t.Errorf("%+v", v)
	}
	j = compile(t, `{"items":{"type":"string"}}`)
	ones := []byte("[" + strings.Repeat("1,", 100_000) + "1]")
	if v, _ := jsonschema.ViolationOf(j(uint8(codec.IDJSON), ones)); v.Pointer != "/0" {
		t.Errorf("%+v", v)
	}
	j = compile(t, `{"anyOf":[{"items":{"type":"string"}},{"items":{"type":"null"}}]}`)
	if v, _ := jsonschema.ViolationOf(j(uint8(codec.IDJSON), ones)); v.Reason == "" {
		t.Errorf("%+v", v)
	}
}

// What Of says of a type fits its values.
func TestInferred(t *testing.T) {
	type point struct {
		X, Y float64
		Next *point
		Tags map[string][]byte
	}
	schema, err := jsonschema.For[point]()
	if err != nil {
		t.Fatal(err)
	}
	j := compile(t, string(schema))
	for _, p := range []point{{}, {Next: &point{X: 1}}, {Tags: map[string][]byte{"a": nil, "b": {1}}}} {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := j(uint8(codec.IDJSON), b); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
	if v, _ := jsonschema.ViolationOf(j(uint8(codec.IDJSON), []byte(`{"X":1,"Y":2,"Tags":null,"Next":{"X":"1","Y":2,"Tags":null,"Next":null}}`))); v.Pointer != "/Next/X" {
		t.Errorf("%+v", v)
	}
}

func TestConcurrent(t *testing.T) {
	j := compile(t, person)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				value := fmt.Sprintf(`{"name":"A","age":%d}`, i*2)
				if err := j(uint8(codec.IDJSON), []byte(value)); (err != nil) != (i*2 > 150) {
					t.Error(value, err)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzCompile: no schema and no value make a judge panic or run on.
func FuzzCompile(f *testing.F) {
	f.Add([]byte(person), []byte(`{"name":"A"}`))
	f.Add([]byte(`{"$dynamicRef":"#a","$defs":{"x":{"$dynamicAnchor":"a","items":{"$dynamicRef":"#a"}}}}`), []byte(`[[1]]`))
	f.Add([]byte(`{"$schema":"http://json-schema.org/draft-07/schema#","format":"regex","dependencies":{"a":["b"]}}`), []byte(`"("`))
	f.Add([]byte(`{"unevaluatedProperties":false,"if":{"required":["a"]},"then":{"properties":{"a":true}}}`), []byte(`{"a":1,"b":2}`))
	f.Fuzz(func(t *testing.T, schema, value []byte) {
		j, err := validate.New().Compile(schema)
		if err != nil {
			return
		}
		first := j(uint8(codec.IDJSON), value)
		if second := j(uint8(codec.IDJSON), value); (first == nil) != (second == nil) {
			t.Fatalf("%v, then %v", first, second)
		}
	})
}
