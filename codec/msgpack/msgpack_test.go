// SPDX-License-Identifier: Apache-2.0

package msgpack_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/codec/codectest"
	"github.com/plexus-ipc/plexus/codec/msgpack"
	"github.com/tinylib/msgp/msgp"
)

func nested(depth int) []byte {
	return append(bytes.Repeat([]byte{0x91}, depth), 0x00)
}

func hostile() []codectest.Hostile {
	inputs := map[string]string{
		"empty": "", "never": "c1", "never inside": "91c1", "array16 huge": "dcffff", "array32 huge": "ddffffffff", "map16 huge": "deffff",
		"map32 huge": "dfffffffff", "bin8 huge": "c4ff", "bin32 huge": "c6ffffffff", "str32 huge": "dbffffffff", "ext32 huge": "c9ffffffff05",
		"ext8 without type": "c7", "ext8 empty, cut": "c700", "fixext16 cut": "d80102", "two values": "0000",
		"duplicate key, mixed": "83a16101a161020103", "array as key": "819000",
		"bin as key": "81c4016100", "ext as key": "81d4050000", "timestamp of 5 bytes": "c705ff0000000000",
		"timestamp with too many nanoseconds": "d7ffffffffff00000000",
	}
	all := []codectest.Hostile{
		{Name: "two million arrays", Data: bytes.Repeat([]byte{0x91}, 2<<20)},
		{Name: "one million maps", Data: bytes.Repeat([]byte{0x81, 0xa0}, 1<<20)},
		{Name: "arrays that promise the rest", Data: bytes.Repeat([]byte{0xdd, 0, 0, 0xff, 0xff}, 1<<15)},
		{Name: "maps as keys", Data: bytes.Repeat([]byte{0x81}, 2<<20)},
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

func TestMessagePack(t *testing.T) {
	codectest.Test(t, msgpack.New(nil), codectest.Suite{Nested: nested, Hostile: hostile()})
}

func TestMaxDepth(t *testing.T) {
	codectest.Test(t, msgpack.New(&msgpack.Options{MaxDepth: 100}), codectest.Suite{Nested: nested, Hostile: hostile(), Depth: 100})
}

func TestVectors(t *testing.T) {
	codectest.Vectors(t, msgpack.New(nil), "../testdata/vectors.json", codectest.Special{
		"$date": func(v any) (any, error) { return time.Parse(time.RFC3339Nano, v.(string)) },
		"$ext": func(v any) (any, error) {
			pair := v.([]any)
			return msgpack.Ext{Type: int8(pair[0].(int64)), Data: pair[1].([]byte)}, nil
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

// through encodes v and decodes it into an any.
func through(t *testing.T, v any) any {
	t.Helper()
	data, err := msgpack.New(nil).Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := msgpack.New(nil).Decode(data, &out); err != nil {
		t.Fatalf("%x: %v", data, err)
	}
	return out
}

func TestAny(t *testing.T) {
	for _, v := range []any{
		nil, true, int64(0), int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64), 1.5, "text", []byte{}, []byte{1},
		[]any{}, map[string]any{}, map[any]any{int64(1): "x", "y": nil, true: 1.5, nil: "nil"},
		[]any{map[string]any{"m": map[any]any{2.5: []any{}}}},
		time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC),
		msgpack.Ext{Type: 5, Data: []byte("12 byte time")}, msgpack.Ext{Type: -7, Data: []byte{}}, msgpack.Ext{Type: 3, Data: make([]byte, 8)},
		map[any]any{time.Unix(1, 0).UTC(): int64(1)},
	} {
		if got := through(t, v); !reflect.DeepEqual(got, v) {
			t.Errorf("got  %#v\nwant %#v", got, v)
		}
	}
}

type base struct {
	ID   int
	Name string
}

type named struct{ X int }

type outer struct {
	base
	named  `msgpack:"inner"`
	*Ptr             // an ordinary field
	Name   string    `json:"name,omitempty"`
	Both   int       `json:"a" msgpack:"b"`
	Zero   time.Time `msgpack:",omitzero"`
	hidden int
	Skip   int   `msgpack:"-"`
	Empty  []int `msgpack:"empty,omitempty"`
}

type Ptr struct{ Y int }

func TestStructs(t *testing.T) {
	v := outer{base: base{7, "base"}, Ptr: &Ptr{3}, Name: "outer", Both: 1, hidden: 1, Skip: 1}
	want := map[string]any{"ID": int64(7), "Name": "base", "name": "outer", "b": int64(1), "Ptr": map[string]any{"Y": int64(3)}}
	if got := through(t, v); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	data, _ := msgpack.New(nil).Append(nil, v)
	var back outer
	v.hidden, v.Skip = 0, 0
	if err := msgpack.New(nil).Decode(data, &back); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestShallowFieldWins(t *testing.T) {
	type S struct {
		base
		Name int
	}
	want := map[string]any{"ID": int64(1), "Name": int64(2)}
	if got := through(t, S{base{1, "x"}, 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

// generated stands for a type with code by tinylib/msgp; its decoder aliases its input.
type generated struct{ data []byte }

func (g *generated) MarshalMsg(b []byte) ([]byte, error) { return msgp.AppendBytes(b, g.data), nil }
func (g *generated) UnmarshalMsg(b []byte) (rest []byte, err error) {
	g.data, rest, err = msgp.ReadBytesZC(b)
	return rest, err
}

func TestGeneratedCode(t *testing.T) {
	type S struct {
		A generated
		B []generated
	}
	v := S{generated{[]byte("a")}, []generated{{[]byte("b")}}}
	data, err := msgpack.New(nil).Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	var back S
	if err := msgpack.New(nil).Decode(data, &back); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !reflect.DeepEqual(back, v) {
		t.Errorf("%q", back)
	}
}

func TestText(t *testing.T) {
	addr, huge := netip.MustParseAddr("10.0.0.1"), new(big.Int).Lsh(big.NewInt(1), 100)
	m := map[netip.Addr]*big.Int{addr: huge}
	if got, want := through(t, m), map[string]any{"10.0.0.1": huge.String()}; !reflect.DeepEqual(got, any(want)) {
		t.Errorf("%#v", got)
	}
	data, _ := msgpack.New(nil).Append(nil, m)
	var back map[netip.Addr]*big.Int
	if err := msgpack.New(nil).Decode(data, &back); err != nil || back[addr].Cmp(huge) != 0 {
		t.Errorf("%v, %v", back, err)
	}
}

type pointerLoop *pointerLoop

func TestReasons(t *testing.T) {
	c := msgpack.New(nil)
	var n struct{ N int8 }
	for text, want := range map[string]codec.Reason{
		"81a14ea178": codec.Mismatch, "81a14ecd0fff": codec.Mismatch, "81a14e": codec.Malformed, "82a14e01a14e02": codec.Malformed, "90": codec.Mismatch,
		"81a14ecfffffffffffffffff": codec.Mismatch, "810000": codec.Mismatch, "81a14ed30000000100000000": codec.Mismatch,
	} {
		data, _ := hex.DecodeString(text)
		check(t, text, c.Decode(data, &n), want)
	}
	check(t, "duplicate key", c.Decode([]byte("\x82\xa1a\x01\xa1a\x02"), new(any)), codec.Malformed)
	check(t, "duplicate key, typed", c.Decode([]byte("\x82\xa1a\x01\xa1a\x02"), new(map[string]int)), codec.Malformed)
	check(t, "NaN as key", c.Decode([]byte("\x81\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01"), new(any)), codec.Unsupported)
	var loop pointerLoop
	check(t, "pointer loop", c.Decode([]byte{1}, &loop), codec.Unsupported)
	check(t, "array length", c.Decode([]byte{0x91, 1}, new([2]int)), codec.Mismatch)
	check(t, "bytes length", c.Decode([]byte{0xc4, 1, 1}, new([2]byte)), codec.Mismatch)
	check(t, "error", c.Decode([]byte{0xa0}, new(error)), codec.Unsupported)
	check(t, "time", c.Decode([]byte{0xa0}, new(time.Time)), codec.Mismatch)
	check(t, "ext for time", c.Decode([]byte{0xd4, 5, 0}, new(time.Time)), codec.Mismatch)
	check(t, "address", c.Decode([]byte{0xa1, 'x'}, new(netip.Addr)), codec.Mismatch)
	for _, v := range []any{make(chan int), func() {}, complex(1, 2), map[string]any{"x": new(chan int)}} {
		_, err := c.Append(nil, v)
		check(t, fmt.Sprintf("%T", v), err, codec.Unsupported)
	}
}

func check(t *testing.T, what string, err error, want codec.Reason) {
	t.Helper()
	if e, ok := errors.AsType[*codec.Error](err); !ok || e.Reason != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestLenient(t *testing.T) {
	c := msgpack.New(nil)
	var f struct{ F float64 }
	if err := c.Decode([]byte{0x81, 0xa1, 'F', 0x07}, &f); err != nil || f.F != 7 {
		t.Errorf("integer for a float: %v, %v", f, err)
	}
	var b []byte
	if err := c.Decode([]byte{0xa2, 'h', 'i'}, &b); err != nil || string(b) != "hi" {
		t.Errorf("str for bytes: %q, %v", b, err)
	}
	var i int
	if err := c.Decode([]byte{0xd3, 0, 0, 0, 0, 0, 0, 0, 1}, &i); err != nil || i != 1 {
		t.Errorf("wide integer: %v, %v", i, err)
	}
	i = 5
	if err := c.Decode([]byte{0xc0}, &i); err != nil || i != 0 {
		t.Errorf("nil for an integer: %v, %v", i, err)
	}
}

type ring struct{ Next *ring }

type tree []tree

func TestCyclesEnd(t *testing.T) {
	r := &ring{}
	r.Next = r
	m := map[string]any{}
	m["me"] = []any{&m}
	var a any
	a = &a
	list := tree{nil}
	list[0] = list
	for _, v := range []any{r, m, a, list, nestedAny(33)} {
		_, err := msgpack.New(nil).Append(nil, v)
		check(t, fmt.Sprintf("%T", v), err, codec.TooDeep)
	}
	if through(t, nestedAny(32)) == nil {
		t.Error("depth 32 was lost")
	}
}

func nestedAny(depth int) any {
	var v any = 1
	for range depth {
		v = []any{v}
	}
	return v
}

func TestAppendAllocatesNothing(t *testing.T) {
	c, buf, v := msgpack.New(nil), make([]byte, 0, 1024), &struct {
		A, B int
		C    string
		D    []byte
	}{1, 2, "three", []byte("four")}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Append(buf, v) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	c := msgpack.New(nil)
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
		if _, ok := errors.AsType[*codec.Error](err); !ok {
			t.Fatal(err)
		}
		return
	}
	a, err := c.Append(nil, &first)
	if err != nil {
		t.Fatalf("%#v does not encode: %v", first, err)
	}
	if err := c.Decode(a, &second); err != nil {
		t.Fatalf("%x does not decode: %v", a, err)
	}
	if b, err := c.Append(nil, &second); err != nil || !bytes.Equal(a, b) {
		t.Fatalf("%x became %x: %v", a, b, err)
	}
}

func Example() {
	c := msgpack.New(nil)
	data, _ := c.Append(nil, struct {
		ID   int    `msgpack:"id"`
		Name string `json:"name"`
	}{7, "seven"})
	var v any
	_ = c.Decode(data, &v)
	fmt.Printf("%x\n%v\n", data, v)
	// Output:
	// 82a2696407a46e616d65a5736576656e
	// map[id:7 name:seven]
}
