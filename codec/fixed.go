// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"reflect"
	"unsafe"
)

// Fixed carries values of fixed size, packed and little-endian; the package comment holds
// the layout. It encodes such values, slices of them, and pointers to either; it decodes
// into pointers, reusing the capacity of a slice. The layout of a type is computed once;
// after that neither direction allocates when given a pointer (a slice that must grow
// apart). The zero value is ready to use.
type Fixed struct{}

// ID returns IDFixed.
func (Fixed) ID() ID { return IDFixed }

// Name returns "fixed".
func (Fixed) Name() string { return "fixed" }

// Append appends the packed bytes of v, or of what v points to, to dst.
func (f Fixed) Append(dst []byte, v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() {
		return dst, fail(f, Encode, Unsupported, "nil")
	}
	if rv.Kind() != reflect.Pointer { // not addressable: a copy is, at one allocation
		p := reflect.New(rv.Type())
		p.Elem().Set(rv)
		rv = p
	}
	if rv.IsNil() {
		return dst, fail(f, Encode, Unsupported, "nil %T", v)
	}
	l, err := layoutOf(rv.Type().Elem())
	if err != nil {
		return dst, fail(f, Encode, Unsupported, "%w", err)
	}
	return l.append(dst, rv.UnsafePointer()), nil
}

// Decode stores the value that data holds in *v. A length that is not exactly the type's
// is Malformed.
func (f Fixed) Decode(data []byte, v any) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fail(f, Decode, Unsupported, "%T is not a pointer to a value", v)
	}
	l, err := layoutOf(rv.Type().Elem())
	if err != nil {
		return fail(f, Decode, Unsupported, "%w", err)
	}
	return f.decode(l, data, rv.UnsafePointer())
}

// decode applies a layout; p points to a value of the type that l was made for.
func (f Fixed) decode(l *layout, data []byte, p unsafe.Pointer) error {
	if !l.fits(len(data)) {
		return fail(f, Decode, Malformed, "%d bytes for %s", len(data), l)
	}
	if !l.decode(data, p) {
		return fail(f, Decode, Malformed, "a bool is neither 0 nor 1, or an integer is too large for this platform")
	}
	return nil
}
