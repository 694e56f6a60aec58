// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/plexus-ipc/plexus/status"
)

// Limits of one schema.
const (
	MaxBytes = 32 << 10
	MaxDepth = 32 // of nesting
)

// Check judges a schema that somebody announces, by its form alone: it is JSON, an object or
// a boolean, within the limits, and refers to nothing outside itself, so that nobody ever
// fetches anything because of it. An empty one is no schema, and right. Whether its keywords
// make sense is for a Validator. The error is status.InvalidArgument or status.TooLarge.
func Check(schema []byte) error {
	switch {
	case len(schema) == 0:
		return nil
	case len(schema) > MaxBytes:
		return status.Errorf(status.TooLarge, "the schema has %d bytes, %d are allowed", len(schema), MaxBytes)
	case deeper(schema, MaxDepth):
		return status.Errorf(status.InvalidArgument, "the schema nests deeper than %d", MaxDepth)
	}
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		return status.Errorf(status.InvalidArgument, "the schema is no JSON: %w", err)
	}
	switch root.(type) {
	case bool, map[string]any:
	default:
		return status.Errorf(status.InvalidArgument, "a schema is a JSON object, or true or false")
	}
	if ref := foreign(root); ref != "" {
		return status.Errorf(status.InvalidArgument, "the schema refers to %.100q: it may refer only to parts of itself, as in #/$defs/x", ref)
	}
	return nil
}

// foreign returns the first reference that leads out of the schema, "" if none does.
func foreign(v any) string {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if ref := foreign(e); ref != "" {
				return ref
			}
		}
	case map[string]any:
		for k, e := range v {
			if s, ok := e.(string); ok && isReference(k) && !strings.HasPrefix(s, "#") {
				return s
			}
			if ref := foreign(e); ref != "" {
				return ref
			}
		}
	}
	return ""
}

func isReference(keyword string) bool {
	return keyword == "$ref" || keyword == "$dynamicRef" || keyword == "$recursiveRef"
}

// deeper reports whether the brackets outside strings nest deeper than limit. It judges
// nothing else: of invalid JSON it may say anything.
func deeper(data []byte, limit int) bool {
	depth, quoted, escaped := 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// Compact returns a schema without insignificant space, nil for one that says nothing: an
// empty one, true or {}. What is no JSON it returns as it is.
func Compact(schema []byte) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, schema) != nil {
		if len(bytes.TrimSpace(schema)) == 0 {
			return nil
		}
		return schema
	}
	switch b.String() {
	case "true", "{}":
		return nil
	}
	return b.Bytes()
}
