// SPDX-License-Identifier: Apache-2.0

package protobuf

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/plexus-ipc/plexus/codec"
	"google.golang.org/protobuf/proto"
)

// MaxDepth is how deeply messages may be nested unless Options say otherwise.
const MaxDepth = 100

// Options tell New what to do differently. The zero value is the default.
type Options struct {
	// MaxDepth limits how deeply messages are nested when decoding; 0 means MaxDepth. At
	// most 10000, the limit of the library.
	MaxDepth int
}

// Codec is the Protocol Buffers codec; New makes one.
type Codec struct {
	enc proto.MarshalOptions
	dec proto.UnmarshalOptions
}

// New returns a codec. Options may be nil.
func New(o *Options) *Codec {
	depth := MaxDepth
	if o != nil && o.MaxDepth > 0 {
		depth = min(o.MaxDepth, 10_000)
	}
	return &Codec{
		enc: proto.MarshalOptions{Deterministic: true},
		dec: proto.UnmarshalOptions{RecursionLimit: depth, NoLazyDecoding: true},
	}
}

// ID returns codec.IDProtobuf.
func (*Codec) ID() codec.ID { return codec.IDProtobuf }

// Name returns "protobuf".
func (*Codec) Name() string { return "protobuf" }

// Append appends the wire format of the message v to dst.
func (c *Codec) Append(dst []byte, v any) (out []byte, err error) {
	defer c.guard(codec.Encode, func(e error) { out, err = dst, e })
	m, ok := v.(proto.Message)
	if rv := reflect.ValueOf(v); !ok && rv.Kind() == reflect.Pointer && !rv.IsNil() {
		m, ok = rv.Elem().Interface().(proto.Message)
	}
	if !ok || !m.ProtoReflect().IsValid() {
		return dst, c.fail(codec.Encode, codec.Unsupported, fmt.Errorf("%T is no message", v))
	}
	out, err = c.enc.MarshalAppend(dst, m)
	if err != nil {
		return dst, c.fail(codec.Encode, codec.Unsupported, err)
	}
	return out, nil
}

// Decode stores the message that data holds in *v, after a reset.
func (c *Codec) Decode(data []byte, v any) (err error) {
	defer c.guard(codec.Decode, func(e error) { err = e })
	m, ok := target(v)
	if !ok {
		return c.fail(codec.Decode, codec.Unsupported, fmt.Errorf("%T is no message", v))
	}
	if err := c.dec.Unmarshal(data, m); err != nil {
		return c.fail(codec.Decode, reason(err), err)
	}
	return nil
}

// target returns the message to fill: v, or what v points to, which is made if need be.
func target(v any) (proto.Message, bool) {
	if m, ok := v.(proto.Message); ok {
		return m, m.ProtoReflect().IsValid()
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() || rv.Type().Elem().Kind() != reflect.Pointer {
		return nil, false
	}
	if !rv.Type().Elem().Implements(reflect.TypeFor[proto.Message]()) {
		return nil, false
	}
	if rv.Elem().IsNil() {
		rv.Elem().Set(reflect.New(rv.Type().Elem().Elem()))
	}
	m, ok := rv.Elem().Interface().(proto.Message)
	return m, ok
}

// reason sorts the library's errors. It has neither a type nor a value for "too deep", so
// this looks at the text; the version is pinned, and codectest shows if the text changes.
func reason(err error) codec.Reason {
	if strings.Contains(err.Error(), "recursion depth") {
		return codec.TooDeep
	}
	return codec.Malformed
}

// guard turns a panic of the library into an error. None is known; this is the last resort.
func (c *Codec) guard(op codec.Op, report func(error)) {
	if p := recover(); p != nil {
		report(c.fail(op, codec.Internal, fmt.Errorf("panic: %v", p)))
	}
}

func (c *Codec) fail(op codec.Op, reason codec.Reason, err error) error {
	return &codec.Error{Codec: c.Name(), Op: op, Reason: reason, Err: err}
}
