// SPDX-License-Identifier: Apache-2.0

package msgpack

import (
	"encoding"
	"math"
	"reflect"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/tinylib/msgp/msgp"
)

// All functions below read the item that begins data, which scan has found well-formed, and
// return what follows it. Recursion is as deep as scan allowed, and as the receiver's types.

// decode stores an item in rv.
func decode(data []byte, rv reflect.Value) ([]byte, error) {
	if data[0] == 0xc0 {
		rv.SetZero()
		return data[1:], nil
	}
	if in := infoOf(rv.Type()); in.way != byKind {
		return in.decodeSpecial(data, rv)
	}
	switch rv.Kind() {
	case reflect.Pointer:
		return decodePointer(data, rv)
	case reflect.Interface:
		return decodeInterface(data, rv)
	case reflect.Struct:
		return decodeStruct(data, rv)
	case reflect.Map:
		return decodeMap(data, rv)
	case reflect.Slice, reflect.Array:
		return decodeList(data, rv)
	}
	return decodeScalar(data, rv)
}

func decodePointer(data []byte, rv reflect.Value) ([]byte, error) {
	if elem := rv.Type().Elem(); elem.Kind() == reflect.Pointer && elem.PkgPath() != "" {
		return nil, problem(codec.Unsupported, "type %s", rv.Type()) // type P *P has no end
	}
	if rv.IsNil() {
		rv.Set(reflect.New(rv.Type().Elem()))
	}
	return decode(data, rv.Elem())
}

// decodeInterface replaces what an any holds.
func decodeInterface(data []byte, rv reflect.Value) ([]byte, error) {
	if rv.NumMethod() > 0 {
		return nil, problem(codec.Unsupported, "type %s", rv.Type())
	}
	v, rest, err := decodeAny(data)
	if err != nil {
		return nil, err
	}
	if v == nil {
		rv.SetZero()
	} else {
		rv.Set(reflect.ValueOf(v))
	}
	return rest, nil
}

func decodeScalar(data []byte, rv reflect.Value) ([]byte, error) {
	switch rv.Kind() {
	case reflect.Bool:
		v, rest, err := msgp.ReadBoolBytes(data)
		rv.SetBool(v)
		return rest, err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v, rest, err := msgp.ReadInt64Bytes(data)
		return rest, inRange(err, !rv.OverflowInt(v), rv, func() { rv.SetInt(v) })
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v, rest, err := msgp.ReadUint64Bytes(data)
		return rest, inRange(err, !rv.OverflowUint(v), rv, func() { rv.SetUint(v) })
	case reflect.Float32, reflect.Float64:
		v, rest, err := readFloat(data)
		return rest, inRange(err, !rv.OverflowFloat(v), rv, func() { rv.SetFloat(v) })
	case reflect.String:
		v, rest, err := msgp.ReadStringBytes(data)
		rv.SetString(v)
		return rest, err
	}
	return nil, problem(codec.Unsupported, "type %s", rv.Type())
}

// inRange calls set unless there is an error or v is out of range.
func inRange(err error, fits bool, rv reflect.Value, set func()) error {
	switch {
	case err != nil:
		return err
	case !fits:
		return problem(codec.Mismatch, "the number is out of range for %s", rv.Type())
	}
	set()
	return nil
}

// readFloat also accepts integers: writers whose language has one kind of number send 1.0
// as 1.
func readFloat(data []byte) (float64, []byte, error) {
	switch msgp.NextType(data) {
	case msgp.IntType:
		v, rest, err := msgp.ReadInt64Bytes(data)
		return float64(v), rest, err
	case msgp.UintType:
		v, rest, err := msgp.ReadUint64Bytes(data)
		return float64(v), rest, err
	}
	return msgp.ReadFloat64Bytes(data)
}

func decodeStruct(data []byte, rv reflect.Value) ([]byte, error) {
	n, data, err := msgp.ReadMapHeaderBytes(data)
	if err != nil {
		return nil, err
	}
	in := infoOf(rv.Type())
	var room [64]bool
	seen := append(room[:0], make([]bool, len(in.fields))...)
	for range n {
		var name []byte
		if name, data, err = msgp.ReadStringZC(data); err != nil {
			return nil, err
		}
		i, known := in.byName[string(name)]
		switch {
		case !known:
			data, err = msgp.Skip(data)
		case seen[i]:
			return nil, problem(codec.Malformed, "duplicate map key")
		default:
			seen[i] = true
			data, err = decode(data, rv.FieldByIndex(in.fields[i].index))
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func decodeMap(data []byte, rv reflect.Value) ([]byte, error) {
	n, data, err := msgp.ReadMapHeaderBytes(data)
	if err != nil {
		return nil, err
	}
	if rv.IsNil() {
		rv.Set(reflect.MakeMapWithSize(rv.Type(), int(n)))
	}
	before := rv.Len()
	for range n {
		k, v := reflect.New(rv.Type().Key()).Elem(), reflect.New(rv.Type().Elem()).Elem()
		if data, err = decode(data, k); err != nil {
			return nil, err
		}
		if !k.Comparable() {
			return nil, problem(codec.Unsupported, "a key of %s cannot be a Go map key", k.Type())
		}
		if data, err = decode(data, v); err != nil {
			return nil, err
		}
		rv.SetMapIndex(k, v)
	}
	if before == 0 && rv.Len() < int(n) {
		return nil, problem(codec.Malformed, "duplicate map key")
	}
	return data, nil
}

func decodeList(data []byte, rv reflect.Value) ([]byte, error) {
	if t := msgp.NextType(data); (t == msgp.BinType || t == msgp.StrType) && rv.Type().Elem().Kind() == reflect.Uint8 {
		return decodeBytes(data, rv)
	}
	n, data, err := msgp.ReadArrayHeaderBytes(data)
	if err != nil {
		return nil, err
	}
	if rv.Kind() == reflect.Slice {
		if rv.Set(reflect.MakeSlice(rv.Type(), int(n), int(n))); n == 0 {
			return data, nil
		}
	} else if rv.Len() != int(n) {
		return nil, problem(codec.Mismatch, "%d elements for %s", n, rv.Type())
	}
	for i := range int(n) {
		if data, err = decode(data, rv.Index(i)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// decodeBytes stores bin or str in a slice or an array of bytes.
func decodeBytes(data []byte, rv reflect.Value) ([]byte, error) {
	read := msgp.ReadBytesZC
	if msgp.NextType(data) == msgp.StrType {
		read = msgp.ReadStringZC
	}
	v, rest, err := read(data)
	if err != nil {
		return nil, err
	}
	if rv.Kind() == reflect.Slice {
		rv.Set(reflect.MakeSlice(rv.Type(), len(v), len(v)))
	} else if rv.Len() != len(v) {
		return nil, problem(codec.Mismatch, "%d bytes for %s", len(v), rv.Type())
	}
	copy(rv.Bytes(), v)
	return rest, nil
}

// decodeSpecial stores an item in a type that is not carried by its kind.
func (in *info) decodeSpecial(data []byte, rv reflect.Value) ([]byte, error) {
	switch in.way {
	case byTime:
		return decodeAs[time.Time](data, rv)
	case byExt:
		return decodeAs[Ext](data, rv)
	case byMsgp:
		// A private copy, as generated code may be told to alias its input.
		whole, err := msgp.Skip(data)
		if err != nil {
			return nil, err
		}
		own := append([]byte(nil), data[:len(data)-len(whole)]...)
		_, err = rv.Addr().Interface().(msgp.Unmarshaler).UnmarshalMsg(own)
		return whole, err
	}
	text, rest, err := msgp.ReadStringAsBytes(data, nil)
	if err != nil {
		return nil, err
	}
	return rest, rv.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(text)
}

// decodeAs stores an extension that must be a T.
func decodeAs[T any](data []byte, rv reflect.Value) ([]byte, error) {
	if t := msgp.NextType(data); t != msgp.TimeType && t != msgp.ExtensionType && t != msgp.Complex64Type && t != msgp.Complex128Type {
		return nil, problem(codec.Mismatch, "%s for %s", t, rv.Type())
	}
	v, rest, err := decodeExt(data)
	if err != nil {
		return nil, err
	}
	own, ok := v.(T)
	if !ok {
		return nil, problem(codec.Mismatch, "another extension for %s", rv.Type())
	}
	rv.Set(reflect.ValueOf(own))
	return rest, nil
}

// decodeExt reads an extension as a time.Time or an Ext.
func decodeExt(data []byte) (any, []byte, error) {
	n, size, _ := explain(data[0]).length(data)
	body, rest := data[size:size+int(n)], data[size+int(n):]
	if e := (Ext{Type: int8(body[0]), Data: append([]byte{}, body[1:]...)}); e.Type != msgp.MsgTimeExtension {
		return e, rest, nil
	}
	t, _, err := msgp.ReadTimeUTCBytes(data)
	if err != nil {
		return nil, nil, problem(codec.Malformed, "timestamp: %w", err)
	}
	return t, rest, nil
}

// decodeAny reads an item as an any.
func decodeAny(data []byte) (any, []byte, error) {
	switch msgp.NextType(data) {
	case msgp.NilType:
		return nil, data[1:], nil
	case msgp.BoolType:
		return boxed(msgp.ReadBoolBytes(data))
	case msgp.IntType:
		return boxed(msgp.ReadInt64Bytes(data))
	case msgp.UintType:
		u, rest, err := msgp.ReadUint64Bytes(data)
		if u <= math.MaxInt64 {
			return int64(u), rest, err
		}
		return u, rest, err
	case msgp.Float32Type, msgp.Float64Type:
		return boxed(msgp.ReadFloat64Bytes(data))
	case msgp.StrType:
		return boxed(msgp.ReadStringBytes(data))
	case msgp.BinType:
		return boxed(msgp.ReadBytesBytes(data, []byte{}))
	case msgp.ArrayType:
		return decodeAnyList(data)
	case msgp.MapType:
		return decodeAnyMap(data)
	}
	return decodeExt(data)
}

func boxed[T any](v T, rest []byte, err error) (any, []byte, error) { return v, rest, err }

func decodeAnyList(data []byte) (any, []byte, error) {
	n, data, err := msgp.ReadArrayHeaderBytes(data)
	if err != nil {
		return nil, nil, err
	}
	list := make([]any, n)
	for i := range list {
		if list[i], data, err = decodeAny(data); err != nil {
			return nil, nil, err
		}
	}
	return list, data, nil
}

// decodeAnyMap begins with text keys and moves to any keys when it meets another.
func decodeAnyMap(data []byte) (any, []byte, error) {
	n, data, err := msgp.ReadMapHeaderBytes(data)
	if err != nil {
		return nil, nil, err
	}
	m := make(map[string]any, n)
	for i := range int(n) {
		if msgp.NextType(data) != msgp.StrType {
			return decodeMixedMap(data, m, i, int(n))
		}
		var k string
		if k, data, err = msgp.ReadStringBytes(data); err != nil {
			return nil, nil, err
		}
		if m[k], data, err = decodeAny(data); err != nil {
			return nil, nil, err
		}
	}
	if len(m) < int(n) {
		return nil, nil, problem(codec.Malformed, "duplicate map key")
	}
	return m, data, nil
}

// decodeMixedMap reads the rest of a map of n pairs that began with done pairs in text.
func decodeMixedMap(data []byte, text map[string]any, done, n int) (any, []byte, error) {
	m := make(map[any]any, n)
	for k, v := range text {
		m[k] = v
	}
	for range n - done {
		k, rest, err := decodeAny(data)
		if err != nil {
			return nil, nil, err
		}
		if f, ok := k.(float64); k != nil && !reflect.TypeOf(k).Comparable() || ok && f != f {
			return nil, nil, problem(codec.Unsupported, "a key of %T cannot be a Go map key", k)
		}
		if m[k], data, err = decodeAny(rest); err != nil {
			return nil, nil, err
		}
	}
	if len(m) < n {
		return nil, nil, problem(codec.Malformed, "duplicate map key")
	}
	return m, data, nil
}
