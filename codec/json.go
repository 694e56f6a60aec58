// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
)

// JSON is encoding/json with a depth limit. The zero value is ready to use.
//
// It follows encoding/json: []byte is base64, struct tags and Marshaler methods work, map
// keys are sorted, of duplicate names the last wins, invalid UTF-8 becomes U+FFFD. It
// differs where a browser is not the reader: <, > and & are written as they are.
type JSON struct {
	// MaxDepth limits nesting in both directions; 0 means the package's MaxDepth. At most
	// 10000, where encoding/json stops by itself.
	MaxDepth int
	// UseNumber makes numbers in an any arrive as json.Number, which keeps every digit. Off
	// by default, because float64 is what Go programs expect of JSON in an any; turn it on
	// where integers beyond 2^53 travel untyped. Typed fields are exact either way.
	UseNumber bool
}

// ID returns IDJSON.
func (JSON) ID() ID { return IDJSON }

// Name returns "json".
func (JSON) Name() string { return "json" }

// Append appends the JSON of v to dst, without a newline.
func (j JSON) Append(dst []byte, v any) ([]byte, error) {
	w := sink{dst}
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, fail(j, Encode, Unsupported, "%w", err)
	}
	out := bytes.TrimSuffix(w.b, []byte{'\n'})
	if deeper(out[len(dst):], j.depth()) {
		return dst, fail(j, Encode, TooDeep, "nested deeper than %d", j.depth())
	}
	return out, nil
}

// Decode stores the JSON value that data holds in *v.
func (j JSON) Decode(data []byte, v any) error {
	if deeper(data, j.depth()) {
		return fail(j, Decode, TooDeep, "nested deeper than %d", j.depth())
	}
	var err error
	if j.UseNumber {
		err = unmarshalNumbers(data, v)
	} else {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fail(j, Decode, jsonReason(err), "%w", err)
	}
	return nil
}

func (j JSON) depth() int {
	if j.MaxDepth > 0 {
		return j.MaxDepth
	}
	return MaxDepth
}

// unmarshalNumbers is json.Unmarshal with UseNumber, which only a Decoder offers.
func unmarshalNumbers(data []byte, v any) error {
	if !json.Valid(data) { // a Decoder stops behind the first value; this looks at all
		return json.Unmarshal(data, &json.RawMessage{}) // says where
	}
	if rv := reflect.ValueOf(v); rv.Kind() != reflect.Pointer || rv.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(v)}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(v)
}

// jsonReason sorts the errors of encoding/json.
func jsonReason(err error) Reason {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return Malformed
	}
	if _, ok := errors.AsType[*json.InvalidUnmarshalError](err); ok {
		return Unsupported
	}
	return Mismatch
}

// deeper reports whether arrays and objects in data nest deeper than limit. It neither
// allocates nor recurses, and judges nothing else: of invalid JSON it may say anything.
func deeper(data []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i+1)
		case '[', '{':
			if depth++; depth > limit {
				return true
			}
		case ']', '}':
			depth--
		}
	}
	return false
}

// stringEnd returns the index of the quote that ends the string which begins at i.
func stringEnd(data []byte, i int) int {
	for i < len(data) && data[i] != '"' {
		if data[i] == '\\' {
			i++
		}
		i++
	}
	return i
}

// sink is an io.Writer that appends.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}
