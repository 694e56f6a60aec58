// SPDX-License-Identifier: Apache-2.0

package offers

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDigest(t *testing.T) {
	for schema, want := range map[string]string{
		``: "-", `true`: "any", `{}`: "any", `7`: "any", `{"type":"string"}`: "string", `{"type":["integer","null"]}`: "integer",
		`{"type":"null"}`: "null", `{"type":["null"]}`: "null", `{"type":["string","null"],"contentEncoding":"base64"}`: "bytes",
		`{"type":"array","items":{"type":"array","items":{"type":"array","items":{"type":"string"}}}}`: "[[array]]",
		`{"type":"object"}`: "{…}", `{"type":"object","properties":{"z":true,"a":{}},"required":["z"]}`: "{z, a?}",
		`{"type":"object","required":["x y"]}`: "{x_y}", `{"$ref":"#/$defs/Point"}`: "Point", `{"$ref":"#"}`: "any", `{"title":"two\nlines"}`: "two_lines",
		`{"anyOf":[{"$ref":"#/$defs/T"},{"type":"null"}]}`: "T|null", `{"type":"object","properties":[1]}`: "{…}",
		`{"type":"object","properties":{"` + strings.Repeat("ü", 60) + `":1}}`: "{" + strings.Repeat("ü", maxDigest-2) + "…",
		`{"type":"\u001b[31m"}`: "_[31m",
	} {
		if got := digest(json.RawMessage(schema), false); got != want {
			t.Errorf("%s: %q, want %q", schema, got, want)
		}
	}
	if digest(nil, true) != "…" {
		t.Error("what was not sent along is not told")
	}
}

// FuzzDigest: whatever a peer announces, a digest is short and one column.
func FuzzDigest(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"a":1}}}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		got := digest(schema, false)
		if utf8.RuneCountInString(got) > maxDigest || strings.ContainsAny(got, "\n\t\r\x1b") {
			t.Fatalf("%q", got)
		}
	})
}
