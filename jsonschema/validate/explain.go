// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	library "github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/plexus-ipc/plexus/jsonschema"
)

// fewParts is up to how many parts of a value the library may complain about each.
const fewParts = 1000

// fits reports whether a value fits a schema, without a word about why it does not: inside
// a "not" the library stops at the first complaint where it can, and writes none down.
func fits(s *library.Schema, value any) bool {
	return (&library.Schema{DraftVersion: 2020, Not: s}).Validate(value) != nil
}

// explain finds out where a value does not fit. Of a large one it looks only at the part
// that is wrong.
func explain(s *library.Schema, value any) jsonschema.Violation {
	var at []string
	for parts(value, fewParts) < 0 {
		token, inner, part, ok := step(s, value)
		if !ok {
			return jsonschema.Violation{Pointer: pointer(at), Reason: "it does not fit"}
		}
		s, value = inner, part
		if token != "" {
			at = append(at, token[1:])
		}
	}
	err := s.Validate(value)
	e, ok := err.(*library.ValidationError) //nolint:errorlint // the library documents this type, unwrapped
	if !ok {
		return jsonschema.Violation{Pointer: pointer(at), Reason: "it does not fit"}
	}
	v := violationOf(e)
	v.Pointer = pointer(at) + v.Pointer
	return v
}

// step finds a schema inside s that value, or a part of it, does not fit. The token is
// "/" and the part's name, "" for value itself.
func step(s *library.Schema, value any) (token string, inner *library.Schema, part any, ok bool) {
	for _, c := range append([]*library.Schema{s.Ref}, s.AllOf...) {
		if c != nil && !fits(c, value) {
			return "", c, value, true
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if c := s.Properties[name]; c != nil && !fits(c, v[name]) {
				return "/" + name, c, v[name], true
			}
			if c, ok := s.AdditionalProperties.(*library.Schema); ok && s.Properties[name] == nil && len(s.PatternProperties) == 0 && !fits(c, v[name]) {
				return "/" + name, c, v[name], true
			}
		}
	case []any:
		for i, e := range v {
			c := s.Items2020
			if i < len(s.PrefixItems) {
				c = s.PrefixItems[i]
			}
			if c != nil && !fits(c, e) {
				return "/" + strconv.Itoa(i), c, e, true
			}
		}
	}
	return "", nil, nil, false
}

// parts returns how many of limit are left after all parts of a value were counted,
// negative if it has more.
func parts(v any, limit int) int {
	limit--
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if limit = parts(e, limit); limit < 0 {
				break
			}
		}
	case []any:
		for _, e := range v {
			if limit = parts(e, limit); limit < 0 {
				break
			}
		}
	}
	return limit
}

func pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}

var english = message.NewPrinter(language.English)

// violationOf finds the one complaint to tell of several: the deepest in the value, since
// what encloses it is wrong because of it.
func violationOf(e *library.ValidationError) jsonschema.Violation {
	var best *library.ValidationError
	var walk func(e *library.ValidationError)
	walk = func(e *library.ValidationError) {
		if len(e.Causes) == 0 && (best == nil || len(e.InstanceLocation) > len(best.InstanceLocation)) {
			best = e
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(e)
	v := jsonschema.Violation{Pointer: pointer(best.InstanceLocation), Reason: best.ErrorKind.LocalizedString(english)}
	if path := best.ErrorKind.KeywordPath(); len(path) > 0 {
		v.Keyword = path[0]
	}
	return v
}
