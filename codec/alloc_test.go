// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"testing"

	"github.com/plexus-ipc/plexus/codec"
)

// allocs reports, and checks, what f allocates.
func allocs(t *testing.T, what string, want float64, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(200, f); got > want {
		t.Errorf("%s: %v allocations, want %v", what, got, want)
	}
}

//go:noinline
func encodeByValue(v codec.Value[fixed], dst []byte, in fixed) ([]byte, error) {
	return v.Append(dst, &in) // as plexus.Bind does: in must stay on this stack
}

//go:noinline
func decodeByValue[T any](v codec.Value[T], data []byte) (out T, err error) {
	err = v.Decode(data, &out)
	return
}

func TestFixedAllocatesNothing(t *testing.T) {
	v, err := codec.For[fixed](codec.Fixed{})
	if err != nil {
		t.Fatal(err)
	}
	in, buf := sample(), make([]byte, 0, 4096)
	data, _ := v.Append(nil, &in)
	allocs(t, "Value.Append", 0, func() { _, _ = encodeByValue(v, buf, in) })
	allocs(t, "Value.Decode", 0, func() { _, _ = decodeByValue(v, data) })
	p := new(fixed)
	allocs(t, "Fixed.Append(pointer)", 0, func() { _, _ = codec.Fixed{}.Append(buf, p) })
	allocs(t, "Fixed.Decode(pointer)", 0, func() { _ = codec.Fixed{}.Decode(data, p) })
	list, _ := codec.For[[]fixed](codec.Fixed{})
	s := make([]fixed, 4)
	many, _ := list.Append(nil, &s)
	allocs(t, "slice Append", 0, func() { _, _ = list.Append(buf, &s) })
	allocs(t, "slice Decode with capacity", 0, func() { _ = list.Decode(many, &s) })
	allocs(t, "slice Decode", 1, func() { _, _ = decodeByValue(list, many) })
}

func TestRawAllocatesTheCopyOnly(t *testing.T) {
	b, _ := codec.For[[]byte](codec.Raw{})
	s, _ := codec.For[text](codec.Raw{})
	in, str, buf := []byte("some bytes"), text("some text"), make([]byte, 0, 64)
	pin, pout := &in, new([]byte)
	allocs(t, "bytes Append", 0, func() { _, _ = b.Append(buf, &in) })
	allocs(t, "text Append", 0, func() { _, _ = s.Append(buf, &str) })
	allocs(t, "bytes Decode", 1, func() { _, _ = decodeByValue(b, in) })
	allocs(t, "text Decode", 1, func() { _, _ = decodeByValue(s, in) })
	allocs(t, "Raw.Append(pointer)", 0, func() { _, _ = codec.Raw{}.Append(buf, pin) })
	allocs(t, "Raw.Decode with capacity", 0, func() { _ = codec.Raw{}.Decode(in, pout) })
}

func TestOtherCodecsCostOneCopy(t *testing.T) {
	v, _ := codec.For[fixed](free{})
	in := sample()
	allocs(t, "Append", 1, func() { _, _ = encodeByValue(v, nil, in) })
	allocs(t, "Decode", 1, func() { _, _ = decodeByValue(v, nil) })
	c := codec.Custom(free{}, func(dst []byte, v fixed) ([]byte, error) { return dst, nil },
		func([]byte) (v fixed, err error) { return })
	allocs(t, "Custom Append", 0, func() { _, _ = encodeByValue(c, nil, in) })
	allocs(t, "Custom Decode", 0, func() { _, _ = decodeByValue(c, nil) })
	p, _ := codec.For[*fixed](free{})
	ptr := &in
	allocs(t, "pointer Append", 0, func() { _, _ = p.Append(nil, &ptr) })
}

func TestSetAllocatesNothing(t *testing.T) {
	var s codec.Set
	allocs(t, "Set", 0, func() { s.ByID(codec.IDFixed); s.ByName("json") })
}

// free is a codec that costs nothing.
type free struct{}

func (free) ID() codec.ID                             { return codec.IDCustom }
func (free) Name() string                             { return "free" }
func (free) Append(dst []byte, _ any) ([]byte, error) { return dst, nil }
func (free) Decode([]byte, any) error                 { return nil }

func BenchmarkFixedAppend(b *testing.B) {
	v, _ := codec.For[fixed](codec.Fixed{})
	in, buf := sample(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = v.Append(buf, &in)
	}
}

func BenchmarkFixedDecode(b *testing.B) {
	v, _ := codec.For[fixed](codec.Fixed{})
	in := sample()
	data, _ := v.Append(nil, &in)
	b.ReportAllocs()
	for b.Loop() {
		_ = v.Decode(data, &in)
	}
}
