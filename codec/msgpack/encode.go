// SPDX-License-Identifier: Apache-2.0

package msgpack

import (
	"bytes"
	"encoding"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/tinylib/msgp/msgp"
)

// maxIndirect bounds pointers and interfaces that lead to each other without a container
// between them; containers are bounded by the depth limit.
const maxIndirect = 1000

// encode appends rv. depth counts the containers around it, each as maxIndirect steps, and
// the pointers and interfaces since the last one.
func (c *Codec) encode(dst []byte, rv reflect.Value, depth int) ([]byte, error) {
	if !rv.IsValid() {
		return msgp.AppendNil(dst), nil
	}
	if in := infoOf(rv.Type()); in.way != byKind {
		return in.encodeSpecial(dst, rv)
	}
	switch rv.Kind() {
	case reflect.Pointer, reflect.Interface:
		return c.encodeElem(dst, rv, depth)
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		return c.encodeContainer(dst, rv, depth)
	}
	return encodeScalar(dst, rv)
}

func encodeScalar(dst []byte, rv reflect.Value) ([]byte, error) {
	switch rv.Kind() {
	case reflect.Bool:
		return msgp.AppendBool(dst, rv.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if i := rv.Int(); i < 0 {
			return msgp.AppendInt64(dst, i), nil
		}
		return msgp.AppendUint64(dst, uint64(rv.Int())), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return msgp.AppendUint64(dst, rv.Uint()), nil
	case reflect.Float32:
		return msgp.AppendFloat32(dst, float32(rv.Float())), nil
	case reflect.Float64:
		return msgp.AppendFloat64(dst, rv.Float()), nil
	case reflect.String:
		return encodeString(dst, rv.String())
	}
	return dst, problem(codec.Unsupported, "type %s", rv.Type())
}

func encodeString(dst []byte, s string) ([]byte, error) {
	if uint64(len(s)) > math.MaxUint32 {
		return dst, problem(codec.Unsupported, "a string of %d bytes", len(s))
	}
	return msgp.AppendString(dst, s), nil
}

func (c *Codec) encodeElem(dst []byte, rv reflect.Value, depth int) ([]byte, error) {
	if rv.IsNil() {
		return msgp.AppendNil(dst), nil
	}
	if depth++; depth%maxIndirect == 0 {
		return dst, problem(codec.TooDeep, "the value refers to itself")
	}
	return c.encode(dst, rv.Elem(), depth)
}

// encodeContainer counts the container and encodes it.
func (c *Codec) encodeContainer(dst []byte, rv reflect.Value, depth int) ([]byte, error) {
	switch {
	case (rv.Kind() == reflect.Map || rv.Kind() == reflect.Slice) && rv.IsNil():
		return msgp.AppendNil(dst), nil
	case rv.Kind() != reflect.Map && rv.Kind() != reflect.Struct && rv.Type().Elem().Kind() == reflect.Uint8:
		return encodeBytes(dst, rv)
	}
	depth = (depth/maxIndirect + 1) * maxIndirect
	if depth > c.depth*maxIndirect && !empty(rv) {
		return dst, problem(codec.TooDeep, "nested deeper than %d", c.depth)
	}
	switch rv.Kind() {
	case reflect.Struct:
		return c.encodeStruct(dst, rv, depth)
	case reflect.Map:
		return c.encodeMap(dst, rv, depth)
	}
	return c.encodeList(dst, rv, depth)
}

// empty reports whether a container holds nothing, in which case scan does not count it.
func empty(rv reflect.Value) bool {
	if rv.Kind() == reflect.Struct {
		return len(infoOf(rv.Type()).fields) == 0
	}
	return rv.Len() == 0
}

func encodeBytes(dst []byte, rv reflect.Value) ([]byte, error) {
	if uint64(rv.Len()) > math.MaxUint32 {
		return dst, problem(codec.Unsupported, "%d bytes", rv.Len())
	}
	if rv.Kind() == reflect.Slice || rv.CanAddr() {
		return msgp.AppendBytes(dst, rv.Bytes()), nil
	}
	dst = msgp.AppendBytesHeader(dst, uint32(rv.Len()))
	for i := range rv.Len() {
		dst = append(dst, byte(rv.Index(i).Uint()))
	}
	return dst, nil
}

func (c *Codec) encodeList(dst []byte, rv reflect.Value, depth int) (_ []byte, err error) {
	if uint64(rv.Len()) > math.MaxUint32 {
		return dst, problem(codec.Unsupported, "%d elements", rv.Len())
	}
	dst = msgp.AppendArrayHeader(dst, uint32(rv.Len()))
	for i := range rv.Len() {
		if dst, err = c.encode(dst, rv.Index(i), depth); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (c *Codec) encodeStruct(dst []byte, rv reflect.Value, depth int) (_ []byte, err error) {
	in, n := infoOf(rv.Type()), 0
	for i := range in.fields {
		if !in.fields[i].omitted(rv) {
			n++
		}
	}
	dst = msgp.AppendMapHeader(dst, uint32(n))
	for i := range in.fields {
		f := &in.fields[i]
		if f.omitted(rv) {
			continue
		}
		dst = msgp.AppendString(dst, f.name)
		if dst, err = c.encode(dst, rv.FieldByIndex(f.index), depth); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (f *field) omitted(rv reflect.Value) bool {
	return f.omit != nil && f.omit(rv.FieldByIndex(f.index))
}

// encodeMap sorts the keys by their encoding, so that equal maps give equal bytes.
func (c *Codec) encodeMap(dst []byte, rv reflect.Value, depth int) (_ []byte, err error) {
	type entry struct {
		key   []byte
		value reflect.Value
	}
	if uint64(rv.Len()) > math.MaxUint32 {
		return dst, problem(codec.Unsupported, "%d entries", rv.Len())
	}
	entries := make([]entry, 0, rv.Len())
	var keys []byte
	for it := rv.MapRange(); it.Next(); {
		begin := len(keys)
		if keys, err = c.encode(keys, it.Key(), depth); err != nil {
			return dst, err
		}
		entries = append(entries, entry{keys[begin:len(keys):len(keys)], it.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	dst = msgp.AppendMapHeader(dst, uint32(len(entries)))
	for _, e := range entries {
		dst = append(dst, e.key...)
		if dst, err = c.encode(dst, e.value, depth); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// encodeSpecial encodes a type that is not carried by its kind.
func (in *info) encodeSpecial(dst []byte, rv reflect.Value) ([]byte, error) {
	switch in.way {
	case byTime:
		return msgp.AppendTimeExt(dst, rv.Interface().(time.Time)), nil
	case byExt:
		return encodeExt(dst, rv.Interface().(Ext))
	}
	if in.addr && !rv.CanAddr() {
		p := reflect.New(rv.Type()).Elem()
		p.Set(rv)
		rv = p
	}
	if in.addr {
		rv = rv.Addr()
	}
	if in.way == byMsgp {
		return rv.Interface().(msgp.Marshaler).MarshalMsg(dst)
	}
	text, err := rv.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return dst, err
	}
	return encodeString(dst, string(text))
}

func encodeExt(dst []byte, e Ext) ([]byte, error) {
	if uint64(len(e.Data)) > math.MaxUint32 {
		return dst, problem(codec.Unsupported, "an extension of %d bytes", len(e.Data))
	}
	return msgp.AppendExtension(dst, &msgp.RawExtension{Type: e.Type, Data: e.Data})
}
