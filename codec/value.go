// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"reflect"
	"unsafe"
)

// Value encodes and decodes values of type T with one codec: everything that depends only
// on the two was resolved by For or Custom. It is immutable and cheap to copy. The zero
// Value is not usable.
type Value[T any] struct {
	c       Codec
	how     how
	pointer bool    // T fits into an interface without boxing
	layout  *layout // of byLayout
	enc     func(dst []byte, v T) ([]byte, error)
	dec     func(data []byte) (T, error)
}

// how is the way a Value takes.
type how uint8

const (
	byCodec  how = iota // through Append and Decode of the codec
	byBytes             // T is made of []byte
	byString            // T is made of string
	byLayout            // T has a fixed layout
	byFunc              // functions of the caller
)

// For resolves T with c. It fails, with an *Error, where c can never carry a T: Raw anything
// but bytes and strings, Fixed what has no fixed size.
//
// The result allocates nothing to encode or decode with Fixed, nothing to encode with Raw,
// and the private copy to decode with Raw. Through any other codec it costs one copy of T on
// the heap (none if T is a pointer, a map or an interface) plus what that codec itself costs.
func For[T any](c Codec) (Value[T], error) {
	t := reflect.TypeFor[T]()
	v := Value[T]{c: c, pointer: pointerShaped(t.Kind())}
	switch c := c.(type) {
	case Raw:
		how, err := rawWay(c, t)
		v.how = how
		return v, err
	case Fixed:
		l, err := layoutOf(t)
		if err != nil {
			return v, fail(c, Encode, Unsupported, "%w", err)
		}
		v.how, v.layout = byLayout, l
	}
	return v, nil
}

// Custom returns a Value for the format of c that uses these functions, for types that bring
// generated code. Values go in and out by value, so that nothing needs the heap; the
// functions keep the contract of Codec about bytes, hostile input and errors.
func Custom[T any](c Codec, enc func(dst []byte, v T) ([]byte, error), dec func(data []byte) (T, error)) Value[T] {
	return Value[T]{c: c, how: byFunc, enc: enc, dec: dec}
}

// Codec returns the codec that the Value was resolved with.
func (b Value[T]) Codec() Codec { return b.c }

// Append appends the encoding of *v, which must not be nil, to dst. It retains neither; v
// may point to the stack.
func (b Value[T]) Append(dst []byte, v *T) ([]byte, error) {
	switch b.how {
	case byLayout:
		return b.layout.append(dst, unsafe.Pointer(v)), nil
	case byBytes:
		return append(dst, *(*[]byte)(unsafe.Pointer(v))...), nil
	case byString:
		return append(dst, *(*string)(unsafe.Pointer(v))...), nil
	case byFunc:
		return b.enc(dst, *v)
	}
	if b.pointer {
		return b.c.Append(dst, *v)
	}
	boxed := new(T) // a pointer, so that methods with pointer receivers are found
	*boxed = *v
	return b.c.Append(dst, boxed)
}

// Decode stores the value that data holds in *v, which must not be nil and should be zero.
// The result shares no memory with data; v may point to the stack.
func (b Value[T]) Decode(data []byte, v *T) error {
	switch b.how {
	case byLayout:
		return Fixed{}.decode(b.layout, data, unsafe.Pointer(v))
	case byBytes:
		p := (*[]byte)(unsafe.Pointer(v))
		*p = append((*p)[:0], data...)
		return nil
	case byString:
		*(*string)(unsafe.Pointer(v)) = string(data)
		return nil
	case byFunc:
		out, err := b.dec(data)
		*v = out
		return err
	}
	boxed := new(T)
	*boxed = *v
	err := b.c.Decode(data, boxed)
	*v = *boxed
	return err
}

// Alias returns the encoding of *v without a copy, where that is the bytes of *v themselves:
// it is valid as long as they are not changed. false means that Append is needed.
func (b Value[T]) Alias(v *T) ([]byte, bool) {
	if b.how != byBytes {
		return nil, false
	}
	return *(*[]byte)(unsafe.Pointer(v)), true
}

// Adopts reports whether Adopt stores what it is given.
func (b Value[T]) Adopts() bool { return b.how == byBytes }

// Adopt is Decode without a copy, where the value is made of the bytes themselves: the caller
// gives data up. false means that Decode is needed.
func (b Value[T]) Adopt(data []byte, v *T) bool {
	if b.how != byBytes {
		return false
	}
	*(*[]byte)(unsafe.Pointer(v)) = data
	return true
}

// pointerShaped reports whether a value of kind k is stored in an interface as it is.
func pointerShaped(k reflect.Kind) bool {
	return k == reflect.Pointer || k == reflect.Map || k == reflect.Interface
}

// rawWay returns how Raw carries a t.
func rawWay(c Raw, t reflect.Type) (how, error) {
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return byBytes, nil
	case t.Kind() == reflect.String:
		return byString, nil
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		return byCodec, nil
	}
	return byCodec, fail(c, Encode, Unsupported, "%s is neither bytes nor string", t)
}
