// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"unsafe"

	"github.com/plexus-ipc/plexus/codec"
)

func TestFixedLayoutOfTheDocumentation(t *testing.T) {
	v := struct {
		ID  uint16
		Up  bool
		Pos [2]float32
	}{258, true, [2]float32{1, -2}}
	got, err := codec.Fixed{}.Append(nil, &v)
	if want := "0201010000803f000000c0"; err != nil || hex.EncodeToString(got) != want {
		t.Fatalf("%x, %v; want %s", got, err, want)
	}
}

// Padding holds whatever was in memory before; none of it may reach the wire, and blank
// fields are zero.
func TestFixedLeaksNoPadding(t *testing.T) {
	var v fixed
	memory := unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))
	for i := range memory {
		memory[i] = 0xEE
	}
	clean := sample()
	v.ID, v.Up, v.Pos, v.Flags, v.N, v.U, v.Wait, v.C = clean.ID, clean.Up, clean.Pos, clean.Flags, clean.N, clean.U, clean.Wait, clean.C
	for i := range v.Gaps {
		v.Gaps[i].A, v.Gaps[i].B = clean.Gaps[i].A, clean.Gaps[i].B
	}
	got, _ := codec.Fixed{}.Append(nil, &v)
	want, _ := codec.Fixed{}.Append(nil, &clean)
	if !bytes.Equal(got, want) || bytes.Contains(got, []byte{0xEE}) {
		t.Errorf("\n%x\n%x", got, want)
	}
	if blank := got[3:6]; !bytes.Equal(blank, make([]byte, 3)) {
		t.Errorf("the blank field is %x", blank)
	}
}

func TestFixedLengths(t *testing.T) {
	data, _ := codec.Fixed{}.Append(nil, sample())
	for n := range len(data) + 10 {
		var v fixed
		err := codec.Fixed{}.Decode(append(data, make([]byte, 10)...)[:n], &v)
		if (err == nil) != (n == len(data)) {
			t.Errorf("%d of %d bytes: %v", n, len(data), err)
		}
	}
	var s []point
	for n := range 33 {
		if err := (codec.Fixed{}).Decode(make([]byte, n), &s); (err == nil) != (n%8 == 0) || err == nil && len(s) != n/8 {
			t.Errorf("%d bytes: %d points, %v", n, len(s), err)
		}
	}
}

func TestFixedRefusesBoolsThatAreNot(t *testing.T) {
	for _, v := range []any{new(bool), new([3]bool), new(struct{ A [3]bool }), new([]bool)} {
		data := []byte{1, 0, 2}
		if _, ok := v.(*bool); ok {
			data = data[2:]
		}
		reason(t, codec.Fixed{}.Decode(data, v), codec.Malformed)
	}
}

func TestFixedRefusesTypes(t *testing.T) {
	type hidden struct{ x int }
	for _, v := range []any{
		"", new(string), map[int]int{}, struct{ S []int }{}, struct{ P *int }{}, hidden{1}, struct{ E any }{},
		uintptr(1), [][]int{}, []struct{}{}, [0]string{}, struct{ F func() }{}, (*int)(nil), nil, new(any), new(*int),
	} {
		_, err := codec.Fixed{}.Append(nil, v)
		reason(t, err, codec.Unsupported)
	}
	_, err := codec.For[string](codec.Fixed{})
	reason(t, err, codec.Unsupported)
	_, err = codec.For[int](codec.Raw{})
	reason(t, err, codec.Unsupported)
}

func TestFixedEmpty(t *testing.T) {
	for _, v := range []any{new(struct{}), new([0]int), new([4]struct{}), new(struct{ _ [0]int })} {
		data, err := codec.Fixed{}.Append(nil, v)
		if err != nil || len(data) != 0 {
			t.Errorf("%T: %x, %v", v, data, err)
		}
		if err := (codec.Fixed{}).Decode(nil, v); err != nil {
			t.Errorf("%T: %v", v, err)
		}
		reason(t, codec.Fixed{}.Decode([]byte{0}, v), codec.Malformed)
	}
}

// reason checks that err is an *Error for that reason.
func reason(t *testing.T, err error, want codec.Reason) {
	t.Helper()
	if e, ok := errors.AsType[*codec.Error](err); !ok || e.Reason != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
