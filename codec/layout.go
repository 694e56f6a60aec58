// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"sync"
)

// maxFixed bounds the wire size of a type, so that sums and products below cannot overflow.
const maxFixed = 1 << 30

// layout is how a type lies in memory and on the wire, as a list of steps. Reflection is
// needed to make it, not to apply it (layoutio.go). It is immutable.
type layout struct {
	typ   reflect.Type
	size  int     // bytes on the wire
	mem   uintptr // bytes in memory
	steps []step
	elem  *layout // set: the type is a slice of this, and size, mem and steps are unused
}

// step moves some neighbouring values of one kind. off is where they begin in memory,
// relative to the value; on the wire each step begins where the one before it ends.
type step struct {
	kind stepKind
	off  uintptr
	n    int     // how many
	sub  *layout // of stepRepeat: what is repeated, every sub.mem bytes
}

type stepKind uint8

const (
	stepCopy   stepKind = iota // n bytes that are the same on the wire
	stepBool                   // n bools
	step16                     // n numbers of 2 bytes, where memory is big-endian
	step32                     // of 4
	step64                     // of 8
	stepInt                    // n ints on a 32-bit platform, 8 bytes on the wire
	stepUint                   // n uints on a 32-bit platform
	stepZero                   // n bytes of wire that have no place in memory
	stepRepeat                 // n times sub
)

// wide is how many bytes one value of a kind takes on the wire.
var wide = [...]int{stepCopy: 1, stepBool: 1, step16: 2, step32: 4, step64: 8, stepInt: 8, stepUint: 8, stepZero: 1}

// platform is what the memory of a machine looks like.
type platform struct{ little, wideInt bool }

// host is the machine we run on.
var host = platform{little: binary.NativeEndian.Uint16([]byte{1, 0}) == 1, wideInt: bits.UintSize == 64}

// layouts caches the layout, or the error, of every type seen: reflect.Type → *layout or
// error. It is package state because types are; it holds one entry per type of the program
// and nothing that a peer sends can add one.
var layouts sync.Map

// layoutOf returns the layout of t on this machine. It does not allocate once t is known.
func layoutOf(t reflect.Type) (*layout, error) {
	known, ok := layouts.Load(t)
	if !ok {
		if l, err := host.layout(t); err != nil {
			known = err
		} else {
			known = l
		}
		layouts.Store(t, known)
	}
	if l, ok := known.(*layout); ok {
		return l, nil
	}
	return nil, known.(error)
}

// layout makes the layout of t, which may be a slice.
func (p platform) layout(t reflect.Type) (*layout, error) {
	if t.Kind() != reflect.Slice {
		return p.flat(t)
	}
	e, err := p.flat(t.Elem())
	if err != nil {
		return nil, err
	}
	if e.size == 0 {
		return nil, fmt.Errorf("%s: the length of a slice of empty values cannot be told", t)
	}
	return &layout{typ: t, elem: e}, nil
}

// flat makes the layout of a type of fixed size.
func (p platform) flat(t reflect.Type) (*layout, error) {
	l := &layout{typ: t, mem: t.Size()}
	if err := p.add(l, t, 0); err != nil {
		return nil, err
	}
	return l, nil
}

// add appends the steps of a t that lies at off.
func (p platform) add(l *layout, t reflect.Type, off uintptr) error {
	switch t.Kind() {
	case reflect.Struct:
		return p.addStruct(l, t, off)
	case reflect.Array:
		return p.addArray(l, t, off)
	}
	kind, n, ok := p.scalar(t.Kind())
	if !ok {
		return fmt.Errorf("%s has no fixed layout", t)
	}
	return l.push(step{kind: kind, off: off, n: n})
}

// scalar returns the step that moves one value of kind k.
func (p platform) scalar(k reflect.Kind) (kind stepKind, n int, ok bool) {
	switch k {
	case reflect.Bool:
		return stepBool, 1, true
	case reflect.Int8, reflect.Uint8:
		return stepCopy, 1, true
	case reflect.Int16, reflect.Uint16:
		return p.number(step16, 1)
	case reflect.Int32, reflect.Uint32, reflect.Float32:
		return p.number(step32, 1)
	case reflect.Int64, reflect.Uint64, reflect.Float64:
		return p.number(step64, 1)
	case reflect.Complex64:
		return p.number(step32, 2)
	case reflect.Complex128:
		return p.number(step64, 2)
	case reflect.Int, reflect.Uint:
		return p.machineInt(k)
	}
	return 0, 0, false
}

// number turns a step for n numbers into a plain copy where memory is little-endian.
func (p platform) number(kind stepKind, n int) (stepKind, int, bool) {
	if p.little {
		return stepCopy, n * wide[kind], true
	}
	return kind, n, true
}

func (p platform) machineInt(k reflect.Kind) (stepKind, int, bool) {
	switch {
	case p.wideInt:
		return p.number(step64, 1)
	case k == reflect.Int:
		return stepInt, 1, true
	}
	return stepUint, 1, true
}

func (p platform) addStruct(l *layout, t reflect.Type, off uintptr) error {
	for f := range t.Fields() {
		var err error
		switch {
		case f.Name == "_":
			err = p.addBlank(l, f.Type)
		case !f.IsExported():
			err = fmt.Errorf("%s: field %s is not exported", t, f.Name)
		default:
			err = p.add(l, f.Type, off+f.Offset)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addBlank adds as many zero bytes as a t has on the wire.
func (p platform) addBlank(l *layout, t reflect.Type) error {
	blank, err := p.flat(t)
	if err != nil || blank.size == 0 {
		return err
	}
	return l.push(step{kind: stepZero, n: blank.size})
}

func (p platform) addArray(l *layout, t reflect.Type, off uintptr) error {
	e, err := p.flat(t.Elem())
	if err != nil {
		return err
	}
	if t.Len() == 0 || e.size == 0 {
		return nil
	}
	if t.Len() > maxFixed {
		return fmt.Errorf("%s is too large", t)
	}
	if s := e.steps[0]; len(e.steps) == 1 && s.sub == nil && uintptr(e.size) == e.mem {
		return l.push(step{kind: s.kind, off: off, n: s.n * t.Len()}) // no padding: one run
	}
	return l.push(step{kind: stepRepeat, off: off, n: t.Len(), sub: e})
}

// push adds a step, joined to the one before it if they are neighbours.
func (l *layout) push(s step) error {
	size := int64(s.n)
	if s.sub != nil {
		size *= int64(s.sub.size)
	} else {
		size *= int64(wide[s.kind])
	}
	if size+int64(l.size) > maxFixed {
		return fmt.Errorf("%s is larger than %d bytes", l.typ, maxFixed)
	}
	l.size += int(size)
	if n := len(l.steps); n > 0 && s.kind == stepCopy {
		if last := &l.steps[n-1]; last.kind == stepCopy && last.off+uintptr(last.n) == s.off {
			last.n += s.n
			return nil
		}
	}
	l.steps = append(l.steps, s)
	return nil
}

// String names the type and its size on the wire.
func (l *layout) String() string {
	if l.elem != nil {
		return fmt.Sprintf("%s, a multiple of %d", l.typ, l.elem.size)
	}
	return fmt.Sprintf("%s, which has %d", l.typ, l.size)
}
