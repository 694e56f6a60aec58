// SPDX-License-Identifier: Apache-2.0

// Package codectest checks that a codec keeps the contract of package codec: what goes in
// comes out, nobody keeps anybody's bytes, and no input makes it panic, allocate ahead of
// what it has received, or take long.
//
//	func TestCodec(t *testing.T) { codectest.Test(t, mycodec.New(), codectest.Suite{}) }
package codectest

import (
	"reflect"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
)

// Framing is what a format can notice about where a value ends.
type Framing uint8

// The framings.
const (
	// Exact: neither a proper prefix of a valid encoding nor one with a byte behind it is
	// valid. (JSON, CBOR, MessagePack, Fixed.)
	Exact Framing = iota
	// Open: a prefix may be valid. (Protobuf.)
	Open
	// Opaque: all bytes are valid. (Raw.)
	Opaque
)

// Suite is what Test cannot know about a codec. The zero value fits a self-describing
// format that, like JSON, carries the types of Samples.
type Suite struct {
	// Samples are the values to send through the codec; nil means Samples(). For Exact
	// none may be a bare number in a text format: its prefix is a number, too.
	Samples []any
	// Bad is a value that the codec must refuse to encode; nil means a Go channel.
	Bad any
	// Typed says that the codec cannot decode into a *any.
	Typed bool
	// Framing is what the format notices about the end of a value.
	Framing Framing
	// Hostile are inputs that must be refused, whatever they are decoded into.
	Hostile []Hostile
	// Nested returns a valid encoding with that many containers, or messages, inside each
	// other; nil means that the format does not nest.
	Nested func(depth int) []byte
	// NestedInto makes the pointer to decode Nested into; nil means a new(any).
	NestedInto func() any
	// Depth is the codec's limit for Nested; 0 means codec.MaxDepth.
	Depth int
	// Growth is how many bytes Decode may allocate per byte of input, apart from 64 KiB
	// once; 0 means 256, which is what an any full of the smallest maps takes.
	Growth int
	// Equal compares a sample with what came out; nil means reflect.DeepEqual.
	Equal func(a, b any) bool
}

// Hostile is one input that a codec must refuse.
type Hostile struct {
	Name string
	Data []byte
}

// Test runs everything against c.
func Test(t *testing.T, c codec.Codec, s Suite) {
	s.defaults()
	x := suite{Suite: s, c: c}
	t.Run("Identity", x.identity)
	t.Run("RoundTrip", x.roundTrip)
	t.Run("RoundTripAny", x.roundTripAny)
	t.Run("RoundTripValue", x.roundTripValue)
	t.Run("AppendBehindPrefix", x.appendBehindPrefix)
	t.Run("AppendKeepsNothing", x.appendKeepsNothing)
	t.Run("AppendIsDeterministic", x.appendIsDeterministic)
	t.Run("AppendRefuses", x.appendRefuses)
	t.Run("DecodeIsPrivate", x.decodeIsPrivate)
	t.Run("DecodeBadTarget", x.decodeBadTarget)
	t.Run("Depth", x.depth)
	t.Run("Truncated", x.truncated)
	t.Run("Trailing", x.trailing)
	t.Run("Hostile", x.hostile)
	t.Run("HostileGeneric", x.hostileGeneric)
	t.Run("Garbage", x.garbage)
	t.Run("Mutated", x.mutated)
	t.Run("Concurrent", x.concurrent)
}

// suite is a Suite at work.
type suite struct {
	Suite
	c codec.Codec
}

func (s *Suite) defaults() {
	if s.Samples == nil {
		s.Samples = Samples()
	}
	if s.Bad == nil {
		s.Bad = make(chan int)
	}
	if s.NestedInto == nil {
		s.NestedInto = func() any { return new(any) }
	}
	if s.Depth == 0 {
		s.Depth = codec.MaxDepth
	}
	if s.Growth == 0 {
		s.Growth = 256
	}
	if s.Equal == nil {
		s.Equal = reflect.DeepEqual
	}
}

// encode is Append, which must succeed.
func (x *suite) encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := x.c.Append(nil, v)
	if err != nil {
		t.Fatalf("Append(%T): %v", v, err)
	}
	return data
}

// decode is Decode into a new value of the type of like, which must succeed.
func (x *suite) decode(t *testing.T, data []byte, like any) any {
	t.Helper()
	p := reflect.New(reflect.TypeOf(like))
	if err := x.c.Decode(data, p.Interface()); err != nil {
		t.Fatalf("Decode into %T: %v", like, err)
	}
	return p.Elem().Interface()
}

// targets returns pointers to new values of everything that hostile bytes are decoded into.
func (x *suite) targets() []any {
	var all []any
	if !x.Typed {
		all = append(all, new(any))
	}
	seen := map[reflect.Type]bool{}
	for _, v := range x.Samples {
		if t := reflect.TypeOf(v); !seen[t] {
			seen[t] = true
			all = append(all, reflect.New(t).Interface())
		}
	}
	return all
}

// eachSample runs f as a subtest for every sample.
func (x *suite) eachSample(t *testing.T, f func(t *testing.T, v any)) {
	for _, v := range x.Samples {
		t.Run(reflect.TypeOf(v).String(), func(t *testing.T) { f(t, v) })
	}
}
