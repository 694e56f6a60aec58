// SPDX-License-Identifier: Apache-2.0

package protobuf_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/codec/codectest"
	"github.com/plexus-ipc/plexus/codec/protobuf"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func samples() []any {
	tree := map[string]any{"a": []any{1.0, "x", nil, map[string]any{"b": true}}, "c": map[string]any{}}
	return []any{
		must(structpb.NewStruct(tree)), structpb.NewStringValue("text"), structpb.NewNullValue(),
		timestamppb.New(time.Unix(1, 2)), wrapperspb.Bytes([]byte{1, 2, 3}), wrapperspb.Bytes(make([]byte, 1<<18)),
		wrapperspb.String(""), wrapperspb.UInt64(1<<64 - 1),
		&descriptorpb.UninterpretedOption{
			Name: []*descriptorpb.UninterpretedOption_NamePart{{NamePart: proto.String("part"), IsExtension: proto.Bool(true)}},
		},
	}
}

// nested returns that many messages inside each other, built
// from inside out: Value → ListValue → Value …, the innermost an empty Value.
func nested(depth int) []byte {
	sizes := make([]int, depth) // of the content at each level
	for i := depth - 2; i >= 0; i-- {
		sizes[i] = 1 + protowire.SizeBytes(sizes[i+1])
	}
	var data []byte
	for i := range depth - 1 {
		field := protowire.Number(6) // Value.list_value
		if i%2 == 1 {
			field = 1 // ListValue.values
		}
		data = protowire.AppendTag(data, field, protowire.BytesType)
		data = protowire.AppendVarint(data, uint64(sizes[i+1]))
	}
	return data
}

func hostile() []codectest.Hostile {
	return []codectest.Hostile{
		{Name: "field number zero", Data: []byte{0x00}},
		{Name: "reserved wire type", Data: []byte{0x0f, 0x00}},
		{Name: "length huge", Data: []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}},
		{Name: "length negative", Data: []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
		{Name: "varint without an end", Data: bytes.Repeat([]byte{0xff}, 1<<20)},
		{Name: "two million groups", Data: bytes.Repeat([]byte{0xa3, 0x06}, 1<<20)},
		{Name: "group closed by another", Data: []byte{0xa3, 0x06, 0xac, 0x06}},
		{Name: "end of no group", Data: []byte{0xa4, 0x06}},
	}
}

func TestProtobuf(t *testing.T) {
	suite := codectest.Suite{
		Samples: samples(), Typed: true, Framing: codectest.Open, Hostile: hostile(),
		Nested: nested, NestedInto: func() any { return new(structpb.Value) }, Depth: protobuf.MaxDepth,
		Bad: struct{}{}, Equal: func(a, b any) bool { return proto.Equal(a.(proto.Message), b.(proto.Message)) },
	}
	codectest.Test(t, protobuf.New(nil), suite)
	suite.Depth = 32
	codectest.Test(t, protobuf.New(&protobuf.Options{MaxDepth: 32}), suite)
}

func TestTargets(t *testing.T) {
	c := protobuf.New(nil)
	data := must(c.Append(nil, wrapperspb.String("x")))
	var made *wrapperspb.StringValue
	if err := c.Decode(data, &made); err != nil || made.GetValue() != "x" {
		t.Errorf("%v, %v", made, err)
	}
	old := made
	if err := c.Decode(nil, &made); err != nil || made != old || made.GetValue() != "" {
		t.Errorf("%v, %v", made, err)
	}
	for _, v := range []any{nil, (*wrapperspb.StringValue)(nil), new(any), new(string), new(*string), struct{}{}} {
		check(t, c.Decode(data, v), codec.Unsupported)
	}
	for _, v := range []any{nil, (*wrapperspb.StringValue)(nil), "text", new(*wrapperspb.StringValue), new(any)} {
		_, err := c.Append(nil, v)
		check(t, err, codec.Unsupported)
	}
	check(t, c.Decode([]byte{0x0a, 1, 0xff}, made), codec.Malformed)
	_, err := c.Append(nil, wrapperspb.String("\xff"))
	check(t, err, codec.Unsupported)
}

func TestValue(t *testing.T) {
	v := must(codec.For[*wrapperspb.Int64Value](protobuf.New(nil)))
	in, buf := wrapperspb.Int64(7), make([]byte, 0, 64)
	data := must(v.Append(nil, &in))
	var out *wrapperspb.Int64Value
	if err := v.Decode(data, &out); err != nil || out.GetValue() != 7 {
		t.Errorf("%v, %v", out, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Append(buf, &in) }); n > 0 {
		t.Errorf("Append: %v allocations", n)
	}
}

func check(t *testing.T, err error, want codec.Reason) {
	t.Helper()
	if e, ok := errors.AsType[*codec.Error](err); !ok || e.Reason != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func FuzzDecode(f *testing.F) {
	c := protobuf.New(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []proto.Message{new(structpb.Struct), new(descriptorpb.FileDescriptorProto), new(wrapperspb.BytesValue)} {
			stable(t, c, data, m)
		}
	})
}

// stable checks that decode, encode, decode, encode gives the same bytes twice.
func stable(t *testing.T, c codec.Codec, data []byte, m proto.Message) {
	if err := c.Decode(data, m); err != nil {
		if e, ok := errors.AsType[*codec.Error](err); !ok || e.Reason == codec.Internal {
			t.Fatal(err)
		}
		return
	}
	a, err := c.Append(nil, m)
	if err != nil {
		t.Fatalf("%v does not encode: %v", m, err)
	}
	second := m.ProtoReflect().New().Interface()
	if err := c.Decode(a, second); err != nil {
		t.Fatalf("%x does not decode: %v", a, err)
	}
	if b, err := c.Append(nil, second); err != nil || !bytes.Equal(a, b) {
		t.Fatalf("%x became %x: %v", a, b, err)
	}
}

func Example() {
	v, err := codec.For[*wrapperspb.StringValue](protobuf.New(nil))
	if err != nil {
		panic(err)
	}
	in := wrapperspb.String("hello")
	data, _ := v.Append(nil, &in)
	var out *wrapperspb.StringValue
	err = v.Decode(data, &out)
	fmt.Printf("%x %s %v\n", data, out.GetValue(), err)
	// Output: 0a0568656c6c6f hello <nil>
}
