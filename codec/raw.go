// SPDX-License-Identifier: Apache-2.0

package codec

import "reflect"

// Raw carries bytes as they are. It encodes []byte, string, types made of them and pointers
// to these; a nil any is the empty payload. It decodes into pointers to the same types,
// reusing the capacity of a slice, and into *any, which becomes a []byte. Every byte
// sequence is valid. The zero value is ready to use.
type Raw struct{}

// ID returns IDRaw.
func (Raw) ID() ID { return IDRaw }

// Name returns "raw".
func (Raw) Name() string { return "raw" }

// Append appends the bytes of v to dst. It allocates only if dst must grow.
func (r Raw) Append(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return dst, nil
	case []byte:
		return append(dst, v...), nil
	case string:
		return append(dst, v...), nil
	case *[]byte:
		if v != nil {
			return append(dst, *v...), nil
		}
	case *string:
		if v != nil {
			return append(dst, *v...), nil
		}
	}
	return r.appendReflect(dst, v)
}

// appendReflect handles named types, and any other by an error.
func (r Raw) appendReflect(dst []byte, v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if rv.Kind() == reflect.Interface {
		rv = rv.Elem()
	}
	switch {
	case isBytes(rv):
		return append(dst, rv.Bytes()...), nil
	case rv.Kind() == reflect.String:
		return append(dst, rv.String()...), nil
	}
	return dst, fail(r, Encode, Unsupported, "%T is neither bytes nor string", v)
}

// Decode stores a private copy of data in *v.
func (r Raw) Decode(data []byte, v any) error {
	switch v := v.(type) {
	case *[]byte:
		if v != nil {
			*v = append((*v)[:0], data...)
			return nil
		}
	case *string:
		if v != nil {
			*v = string(data)
			return nil
		}
	case *any:
		if v != nil {
			*v = append([]byte{}, data...)
			return nil
		}
	}
	return r.decodeReflect(data, v)
}

// decodeReflect handles named types, and any other by an error.
func (r Raw) decodeReflect(data []byte, v any) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && !rv.IsNil() {
		switch e := rv.Elem(); {
		case isBytes(e):
			e.SetBytes(append(e.Bytes()[:0], data...))
			return nil
		case e.Kind() == reflect.String:
			e.SetString(string(data))
			return nil
		}
	}
	return fail(r, Decode, Unsupported, "%T does not point to bytes or a string", v)
}

// isBytes reports whether rv is a slice of bytes.
func isBytes(rv reflect.Value) bool {
	return rv.Kind() == reflect.Slice && rv.Type().Elem().Kind() == reflect.Uint8
}
