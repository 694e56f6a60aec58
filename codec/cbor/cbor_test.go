// SPDX-License-Identifier: Apache-2.0

package cbor_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/codec/cbor"
	"github.com/plexus-ipc/plexus/codec/codectest"
)

func nested(depth int) []byte {
	return append(bytes.Repeat([]byte{0x81}, depth), 0x00)
}

func hostile() []codectest.Hostile {
	inputs := map[string]string{
		"empty": "", "array32 huge": "9affffffff", "array64 huge": "9bffffffffffffffff", "map32 huge": "baffffffff",
		"map64 wraps": "bb8000000000000000", "map64 wraps by one": "bb8000000000000001a0", "bytes32 huge": "5affffffff",
		"bytes64 huge": "5b7fffffffffffffff", "text32 huge": "7affffffff", "text64 huge": "7bffffffffffffffff",
		"reserved info": "1c", "break alone": "ff", "break in a definite array": "81ff", "break between key and value": "bf01ff",
		"indefinite int": "1f", "shared": "d81c80", "reference": "82d81c80d81d00", "reference, wide": "da0000001d00",
		"two values": "0000", "bad utf8": "62c328", "duplicate key": "a2616101616102", "array as key": "a18000",
		"chunk of another type": "5f6161ff", "tag without content": "c0", "date of a map": "c1a0",
		"simple below 32": "f818", "big integer of text": "c26161",
	}
	all := []codectest.Hostile{
		{Name: "one million arrays", Data: bytes.Repeat([]byte{0x81}, 2<<20)},
		{Name: "one million endless arrays", Data: bytes.Repeat([]byte{0x9f}, 2<<20)},
		{Name: "one million maps", Data: bytes.Repeat([]byte{0xa1, 0x00}, 1<<20)},
		{Name: "one million tags", Data: bytes.Repeat([]byte{0xd9, 0xd9, 0xf7}, 1<<20)},
		{Name: "arrays that promise the rest", Data: bytes.Repeat([]byte{0x9a, 0, 0, 0xff, 0xff}, 1<<15)},
	}
	for name, text := range inputs {
		data, err := hex.DecodeString(text)
		if err != nil {
			panic(err)
		}
		all = append(all, codectest.Hostile{Name: name, Data: data})
	}
	return all
}

func TestCBOR(t *testing.T) {
	codectest.Test(t, cbor.New(nil), codectest.Suite{Nested: nested, Hostile: hostile()})
}

func TestMaxDepth(t *testing.T) {
	codectest.Test(t, cbor.New(&cbor.Options{MaxDepth: 100}), codectest.Suite{Nested: nested, Hostile: hostile(), Depth: 100})
}

func TestVectors(t *testing.T) {
	codectest.Vectors(t, cbor.New(nil), "../testdata/vectors.json", codectest.Special{
		"$date": func(v any) (any, error) { return time.Parse(time.RFC3339Nano, v.(string)) },
		"$bigint": func(v any) (any, error) {
			i, ok := new(big.Int).SetString(v.(string), 10)
			if !ok {
				return nil, fmt.Errorf("%v is no integer", v)
			}
			return i, nil
		},
		"$set": func(v any) (any, error) { return cbor.Set(v.([]any)), nil },
		"$tag": func(v any) (any, error) {
			pair := v.([]any)
			return cbor.Tag{Number: uint64(pair[0].(int64)), Content: pair[1]}, nil
		},
		"$map": func(v any) (any, error) {
			m := map[any]any{}
			for _, pair := range v.([]any) {
				m[pair.([]any)[0]] = pair.([]any)[1]
			}
			return m, nil
		},
	})
}

// decode decodes hex into an any.
func decode(t *testing.T, text string) any {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := cbor.New(nil).Decode(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// through encodes v and decodes it into an any.
func through(t *testing.T, v any) any {
	t.Helper()
	data, err := cbor.New(nil).Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, hex.EncodeToString(data))
}

func TestProfile(t *testing.T) {
	date := time.Date(2026, 11, 5, 1, 2, 3, 456789, time.UTC)
	huge, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	for _, v := range []any{
		date, huge, big.NewInt(5), new(big.Int).SetUint64(math.MaxUint64), int64(-1 << 63), nil, true, 1.25, []byte{1}, "text",
		cbor.Set{int64(3), "three", cbor.Set{}}, map[any]any{int64(1): "one", "two": int64(2), true: nil, 1.5: "float"},
		map[string]any{"inner": map[any]any{false: int64(0)}}, map[any]any{int64(1): map[string]any{"text": "only"}},
		map[any]any{cbor.ByteString("key"): int64(1)}, map[any]any{int64(1): []any{cbor.Set{map[string]any{"a": int64(1)}}}},
		cbor.Tag{Number: 4711, Content: "x"}, map[any]any{int64(0): cbor.Tag{Number: 4711, Content: map[string]any{"k": nil}}},
	} {
		if got := through(t, v); !reflect.DeepEqual(got, v) {
			t.Errorf("got  %#v\nwant %#v", got, v)
		}
	}
	if got := through(t, []any{cbor.Undefined{}, &cbor.Undefined{}}); !reflect.DeepEqual(got, []any{nil, nil}) {
		t.Errorf("undefined: %#v", got)
	}
}

func TestDates(t *testing.T) {
	want := time.Date(2013, 3, 21, 20, 4, 0, 0, time.UTC)
	for _, text := range []string{"c074323031332d30332d32315432303a30343a30305a", "c11a514b67b0", "c1fb41d452d9ec000000"} {
		if got, ok := decode(t, text).(time.Time); !ok || !got.Equal(want) {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, year := range []int{-1, 10_000, 123_456} {
		_, err := cbor.New(nil).Append(nil, time.Date(year, 1, 1, 0, 0, 0, 5, time.UTC))
		check(t, fmt.Sprint(year), err, codec.Unsupported)
	}
}

// The anys inside typed values follow the same rule as an any at the top.
func TestNarrowInTypedValues(t *testing.T) {
	type node struct {
		Free any
		List []any
		Map  map[int]any
		Kept map[any]any
		Next *node
	}
	text := map[string]any{"a": int64(1)}
	want := node{text, []any{text, int64(1)}, map[int]any{1: text}, map[any]any{"x": int64(1)}, &node{Free: text}}
	c := cbor.New(nil)
	data, err := c.Append(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	var got node
	if err := c.Decode(data, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %#v\nwant %#v", err, got, want)
	}
}

// Keys that are never found again are refused in an any, also inside a typed value; and NaN
// must not make a typed map grow while it is gone through.
func TestLostKeys(t *testing.T) {
	c := cbor.New(nil)
	for _, text := range []string{"a1f97e0001", "a1c2410501", "a11bffffffffffffffff01", "a1d91267f97e0001", "81a1fb7ff800000000000001"} {
		data, _ := hex.DecodeString(text)
		check(t, text, c.Decode(data, new(any)), codec.Unsupported)
		check(t, text, c.Decode(append([]byte{0x81}, data...), new([]any)), codec.Unsupported)
	}
	var typed map[float64]any
	data, _ := hex.DecodeString("a1f97e00a1616101")
	if err := c.Decode(data, &typed); err != nil || len(typed) != 1 {
		t.Errorf("%v, %v", typed, err)
	}
	var wide map[uint64]bool
	data, _ = hex.DecodeString("a11bfffffffffffffffff5")
	if err := c.Decode(data, &wide); err != nil || !wide[math.MaxUint64] {
		t.Errorf("%v, %v", wide, err)
	}
}

func TestReasons(t *testing.T) {
	c := cbor.New(nil)
	var n struct{ N int8 }
	for text, want := range map[string]codec.Reason{
		"a1614e6178": codec.Mismatch, "a1614e190fff": codec.Mismatch, "a1614e": codec.Malformed, "a1614ed81d00": codec.Unsupported,
		"62c328": codec.Malformed, "a2614e01614e02": codec.Malformed,
	} {
		data, _ := hex.DecodeString(text)
		check(t, text, c.Decode(data, &n), want)
	}
	var free any
	check(t, "array as key", c.Decode([]byte{0xa1, 0x80, 0x00}, &free), codec.Unsupported)
	check(t, "date that is none", c.Decode([]byte{0xc0, 0x61, 'z'}, &free), codec.Mismatch)
	check(t, "target", c.Decode([]byte{0}, n), codec.Unsupported)
	var text string
	check(t, "bad text", c.Decode([]byte{0x61, 0xff}, &text), codec.Malformed)
}

func check(t *testing.T, what string, err error, want codec.Reason) {
	t.Helper()
	if e, ok := errors.AsType[*codec.Error](err); !ok || e.Reason != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

type ring struct {
	Next *ring
	Name string
}

type tree []tree

func TestCyclesEnd(t *testing.T) {
	c := cbor.New(nil)
	r := &ring{Name: "r"}
	r.Next = r
	m := map[string]any{}
	m["me"] = []any{&m}
	var a any
	a = &a
	list := tree{nil}
	list[0] = list
	for _, v := range []any{r, m, a, list, struct{ A any }{r}, nestedAny(33), nestedAny(5000)} {
		_, err := c.Append(nil, v)
		check(t, reflect.TypeOf(v).String(), err, codec.TooDeep)
	}
	for _, v := range []any{&ring{Next: &ring{}}, tree{{}, {{}}}, nestedAny(32)} {
		if _, err := c.Append(nil, v); err != nil {
			t.Error(err)
		}
	}
}

func nestedAny(depth int) any {
	var v any
	for range depth {
		v = []any{v}
	}
	return v
}

func TestSharedReferencesAreNotWritten(t *testing.T) {
	_, err := cbor.New(nil).Append(nil, cbor.Tag{Number: 28, Content: "x"})
	check(t, "tag 28", err, codec.Unsupported)
	_, err = cbor.New(nil).Append(nil, []any{cbor.RawMessage{0x9a, 0xff, 0xff, 0xff, 0xff}})
	check(t, "raw", err, codec.Unsupported)
}

func TestTextMarshalers(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.1")
	if got := through(t, addr); got != "10.0.0.1" {
		t.Errorf("%#v", got)
	}
	var back netip.Addr
	data, _ := cbor.New(nil).Append(nil, addr)
	if err := cbor.New(nil).Decode(data, &back); err != nil || back != addr {
		t.Errorf("%v, %v", back, err)
	}
}

func TestAppendAllocatesLittle(t *testing.T) {
	c, buf, v := cbor.New(nil), make([]byte, 0, 1024), &struct{ A, B int }{1, 2}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Append(buf, v) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
	long := strings.Repeat("x", 512)
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Append(buf, &long) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	c := cbor.New(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		stable[any](t, c, data)
		stable[codectest.Struct](t, c, data)
		stable[map[int]any](t, c, data)
	})
}

// stable checks that decode, encode, decode, encode gives the same bytes twice.
func stable[T any](t *testing.T, c codec.Codec, data []byte) {
	var first, second T
	if err := c.Decode(data, &first); err != nil {
		notInternal(t, err)
		return
	}
	a, err := c.Append(nil, &first)
	if err != nil {
		notInternal(t, err) // a date beyond the year 9999 decodes, but has no RFC 3339
		return
	}
	if err := c.Decode(a, &second); err != nil {
		t.Fatalf("%x does not decode: %v", a, err)
	}
	if b, err := c.Append(nil, &second); err != nil || !bytes.Equal(a, b) {
		t.Fatalf("%x became %x: %v", a, b, err)
	}
}

func notInternal(t *testing.T, err error) {
	if e, ok := errors.AsType[*codec.Error](err); !ok || e.Reason == codec.Internal {
		t.Fatal(err)
	}
}

func Example() {
	c := cbor.New(nil)
	data, _ := c.Append(nil, map[any]any{1: "one", "two": cbor.Set{"a", "b"}})
	var v any
	_ = c.Decode(data, &v)
	m := v.(map[any]any)
	fmt.Printf("%x\n%v %v\n", data, m[int64(1)], m["two"])
	// Output:
	// a201636f6e656374776fd901028261616162
	// one [a b]
}
