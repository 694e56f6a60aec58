// SPDX-License-Identifier: Apache-2.0

// Package offers shows what a channel offers, and holds values against it: "plexus explore",
// "plexus schema", and what other verbs know of schemas.
package offers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxDigest is how long a digest may get.
const maxDigest = 40

// outline is the part of a schema that a digest tells of.
type outline struct {
	Type       any             `json:"type"`
	Ref        string          `json:"$ref"`
	Title      string          `json:"title"`
	Encoding   string          `json:"contentEncoding"`
	Properties json.RawMessage `json:"properties"`
	Required   []string        `json:"required"`
	Items      json.RawMessage `json:"items"`
	AnyOf      []outline       `json:"anyOf"`
}

// digest says in a few words what fits a schema: {a, b?} for an object, [string] for a
// list. left says that there are schemas which were not sent along.
func digest(schema json.RawMessage, left bool) string {
	if left {
		return "…"
	}
	if len(schema) == 0 {
		return "-"
	}
	text := digestOf(schema, 2)
	if runes := []rune(text); len(runes) > maxDigest {
		text = string(runes[:maxDigest-1]) + "…"
	}
	return text
}

func digestOf(schema json.RawMessage, depth int) string {
	var o outline
	if json.Unmarshal(schema, &o) != nil {
		return "any"
	}
	return o.digest(depth)
}

func (o *outline) digest(depth int) string {
	kinds := kindsOf(o.Type)
	switch {
	case o.Ref != "":
		return orAny(oneWord(o.Ref[strings.LastIndexByte(o.Ref, '/')+1:]))
	case slices.Contains(kinds, "object"):
		return o.object()
	case slices.Contains(kinds, "array") && depth > 0 && len(o.Items) > 0:
		return "[" + digestOf(o.Items, depth-1) + "]"
	case slices.Contains(kinds, "string") && o.Encoding == "base64":
		return "bytes"
	case len(kinds) > 0:
		return strings.Join(kinds, "|")
	case len(o.AnyOf) > 0 && depth > 0:
		var parts []string
		for i := range min(len(o.AnyOf), 4) {
			parts = append(parts, o.AnyOf[i].digest(depth-1))
		}
		return strings.Join(parts, "|")
	}
	return orAny(oneWord(o.Title))
}

// kindsOf returns the types without null, unless there is no other.
func kindsOf(t any) []string {
	switch t := t.(type) {
	case string:
		return []string{oneWord(t)}
	case []any:
		var kinds []string
		for _, k := range t {
			if k != "null" || len(t) == 1 {
				kinds = append(kinds, oneWord(fmt.Sprint(k)))
			}
		}
		return kinds
	}
	return nil
}

// object lists the members, those that may be left out with a question mark.
func (o *outline) object() string {
	names := o.members()
	for _, name := range o.Required {
		if len(o.Properties) == 0 {
			names = append(names, oneWord(name))
		}
	}
	if len(names) == 0 {
		return "{…}"
	}
	return "{" + strings.Join(names, ", ") + "}"
}

// members returns the names in properties, in their order.
func (o *outline) members() (names []string) {
	dec := json.NewDecoder(bytes.NewReader(o.Properties))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		var skipped json.RawMessage
		if err != nil || !ok || dec.Decode(&skipped) != nil {
			break
		}
		if !slices.Contains(o.Required, name) {
			name += "?"
		}
		names = append(names, oneWord(name))
	}
	return names
}

// oneWord makes a name from a peer fit for a column of a table.
func oneWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '_'
		}
		return r
	}, s)
}

func orAny(s string) string {
	if s == "" || s == "#" {
		return "any"
	}
	return s
}
