// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"unsafe"
)

type numbers struct {
	A int8
	B uint16
	C [3]int32
	D float64
	E complex64
	F bool
	G [2]struct {
		H uint8
		I int64
	}
}

// The steps of a big-endian machine write numbers one by one; on this machine both ways
// must give the same bytes. (What 32-bit platforms do to int runs under GOARCH=386.)
func TestLayoutStepByStep(t *testing.T) {
	v := numbers{-1, 2, [3]int32{3, -4, 5}, 6.5, complex(7, -8), true, [2]struct {
		H uint8
		I int64
	}{{9, -10}, {11, 12}}}
	fast, err := host.layout(reflect.TypeOf(v))
	if err != nil {
		t.Fatal(err)
	}
	slow, err := platform{little: false, wideInt: true}.layout(reflect.TypeOf(v))
	if err != nil {
		t.Fatal(err)
	}
	if !host.little {
		t.Skip("this machine takes the slow way anyway")
	}
	a, b := fast.append(nil, unsafe.Pointer(&v)), slow.append(nil, unsafe.Pointer(&v))
	if !bytes.Equal(a, b) {
		t.Fatalf("\n%x\n%x", a, b)
	}
	var back numbers
	if !slow.fits(len(a)) || !slow.decode(a, unsafe.Pointer(&back)) || back != v {
		t.Errorf("%+v", back)
	}
}

func TestLayoutJoinsNeighbours(t *testing.T) {
	type dense struct {
		A, B uint32
		C    [4]struct{ D, E uint16 }
	}
	l, err := platform{little: true, wideInt: true}.layout(reflect.TypeFor[dense]())
	if want := []step{{kind: stepCopy, n: 24}}; err != nil || !slices.Equal(l.steps, want) {
		t.Errorf("%+v, %v", l, err)
	}
}

// The steps for int on a 32-bit platform, run on whatever this machine is: they move an int
// of the machine, so the bytes are the same everywhere.
func TestLayoutIntSteps(t *testing.T) {
	v := struct {
		I []int
		U []uint
	}{[]int{0, -1, 1 << 30, -1 << 31}, []uint{0, 1, 1<<32 - 1}}
	p := platform{little: true, wideInt: false}
	li, _ := p.layout(reflect.TypeOf(v.I))
	lu, _ := p.layout(reflect.TypeOf(v.U))
	wide, _ := Fixed{}.Append(nil, []int64{0, -1, 1 << 30, -1 << 31})
	if got := li.append(nil, unsafe.Pointer(&v.I)); !bytes.Equal(got, wide) {
		t.Errorf("%x", got)
	}
	var i []int
	var u []uint
	if !li.decode(wide, unsafe.Pointer(&i)) || !slices.Equal(i, v.I) {
		t.Error(i)
	}
	if !lu.decode(lu.append(nil, unsafe.Pointer(&v.U)), unsafe.Pointer(&u)) || !slices.Equal(u, v.U) {
		t.Error(u)
	}
}

func TestDeeper(t *testing.T) {
	for text, depth := range map[string]int{
		``: 0, `1`: 0, `[]`: 1, `{"a":[{}]}`: 3, `[[],[],[]]`: 2, `"[[["`: 0, `["\"[[[", 1]`: 1, `"\\"`: 0,
		`["\\", [] ]`: 2, `"open`: 0, `"\`: 0,
	} {
		if deeper([]byte(text), depth) || depth > 0 && !deeper([]byte(text), depth-1) {
			t.Errorf("%s: not %d", text, depth)
		}
	}
}

func TestLayoutRefusesTheGigantic(t *testing.T) {
	kilo := func(elem reflect.Type) reflect.Type { return reflect.ArrayOf(1<<10, elem) }
	giga := kilo(kilo(kilo(reflect.TypeFor[int8]())))
	if _, err := host.layout(giga); err != nil {
		t.Error(err)
	}
	pair := []reflect.StructField{{Name: "A", Type: giga}, {Name: "B", Type: reflect.TypeFor[bool]()}}
	if l, err := host.layout(reflect.StructOf(pair)); err == nil {
		t.Errorf("%v", l)
	}
	if !host.wideInt {
		return // the next one is no type on a 32-bit platform
	}
	if l, err := host.layout(kilo(giga)); err == nil {
		t.Errorf("%v", l)
	}
}
