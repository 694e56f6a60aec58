// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"
)

// This is the hot path of Fixed: the one file that touches memory by address. Every address
// is p plus an offset that reflect gave for the type that p points to, and every wire index
// lies below the size that the same walk computed, which the caller has checked. No pointer
// leaves these functions, so that the values of callers can stay on their stacks.

// slice is the memory of a Go slice of any element type.
type slice struct {
	data     unsafe.Pointer
	len, cap int
}

// append appends the value at p to dst.
func (l *layout) append(dst []byte, p unsafe.Pointer) []byte {
	if l.elem == nil {
		return l.appendFlat(slices.Grow(dst, l.size), p)
	}
	s := *(*slice)(p)
	dst = slices.Grow(dst, s.len*l.elem.size)
	return l.elem.appendMany(dst, s.data, s.len)
}

// appendMany appends n values that lie one after the other at p.
func (l *layout) appendMany(dst []byte, p unsafe.Pointer, n int) []byte {
	if l.plain() {
		return append(dst, unsafe.Slice((*byte)(p), n*l.size)...)
	}
	for i := range n {
		dst = l.appendFlat(dst, unsafe.Add(p, uintptr(i)*l.mem))
	}
	return dst
}

// plain reports whether memory and wire are the same bytes.
func (l *layout) plain() bool {
	return len(l.steps) == 1 && l.steps[0].kind == stepCopy && uintptr(l.size) == l.mem
}

func (l *layout) appendFlat(dst []byte, p unsafe.Pointer) []byte {
	for i := range l.steps {
		s := &l.steps[i]
		q := unsafe.Add(p, s.off)
		switch s.kind {
		case stepCopy, stepBool: // in memory a bool is 0 or 1
			dst = append(dst, unsafe.Slice((*byte)(q), s.n)...)
		case stepZero:
			dst = append(dst, make([]byte, s.n)...)
		case stepRepeat:
			dst = s.sub.appendMany(dst, q, s.n)
		default:
			dst = s.appendNumbers(dst, q)
		}
	}
	return dst
}

// appendNumbers appends what is not the same in memory and on the wire.
func (s *step) appendNumbers(dst []byte, q unsafe.Pointer) []byte {
	for i := range s.n {
		switch s.kind {
		case step16:
			dst = binary.LittleEndian.AppendUint16(dst, *at[uint16](q, i))
		case step32:
			dst = binary.LittleEndian.AppendUint32(dst, *at[uint32](q, i))
		case step64:
			dst = binary.LittleEndian.AppendUint64(dst, *at[uint64](q, i))
		case stepInt:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(*at[int](q, i)))
		case stepUint:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(*at[uint](q, i)))
		}
	}
	return dst
}

// at returns the address of the i-th T behind q.
func at[T any](q unsafe.Pointer, i int) *T {
	return (*T)(unsafe.Add(q, uintptr(i)*unsafe.Sizeof(*new(T))))
}

// fits reports whether n bytes can be a value.
func (l *layout) fits(n int) bool {
	if l.elem != nil {
		return n%l.elem.size == 0
	}
	return n == l.size
}

// decode stores in *p the value that data holds; l.fits(len(data)) is true. It reports
// whether data was valid.
func (l *layout) decode(data []byte, p unsafe.Pointer) bool {
	if l.elem == nil {
		return l.decodeFlat(data, p)
	}
	n := len(data) / l.elem.size
	s := (*slice)(p)
	if s.cap < n || s.data == nil {
		// Words give the alignment that every type of fixed size is content with. The
		// size is at most that of data times mem/size, the padding of the receiver's type.
		words := make([]uint64, (uintptr(n)*l.elem.mem+7)/8+1)
		*s = slice{data: unsafe.Pointer(&words[0]), cap: n}
	}
	s.len = n
	return l.elem.decodeMany(data, s.data, n)
}

// decodeMany is the inverse of appendMany.
func (l *layout) decodeMany(data []byte, p unsafe.Pointer, n int) bool {
	if l.plain() {
		copy(unsafe.Slice((*byte)(p), n*l.size), data)
		return true
	}
	for i := range n {
		if !l.decodeFlat(data[i*l.size:(i+1)*l.size], unsafe.Add(p, uintptr(i)*l.mem)) {
			return false
		}
	}
	return true
}

func (l *layout) decodeFlat(data []byte, p unsafe.Pointer) bool {
	for i := range l.steps {
		s := &l.steps[i]
		q := unsafe.Add(p, s.off)
		var used int
		ok := true
		switch s.kind {
		case stepCopy:
			used = copy(unsafe.Slice((*byte)(q), s.n), data)
		case stepBool:
			used = s.n
			ok = decodeBools(data, unsafe.Slice((*bool)(q), s.n))
		case stepZero:
			used = s.n
		case stepRepeat:
			used = s.n * s.sub.size
			ok = s.sub.decodeMany(data[:used], q, s.n)
		default:
			used = s.n * wide[s.kind]
			ok = s.decodeNumbers(data, q)
		}
		if !ok {
			return false
		}
		data = data[used:]
	}
	return true
}

// decodeBools writes bools as bools: any other byte than 0 and 1 in the memory of a bool
// would be undefined behaviour.
func decodeBools(data []byte, to []bool) bool {
	for i := range to {
		if data[i] > 1 {
			return false
		}
		to[i] = data[i] == 1
	}
	return true
}

// decodeNumbers is the inverse of appendNumbers.
func (s *step) decodeNumbers(data []byte, q unsafe.Pointer) bool {
	ok := true
	for i := range s.n {
		b := data[i*wide[s.kind]:]
		switch s.kind {
		case step16:
			*at[uint16](q, i) = binary.LittleEndian.Uint16(b)
		case step32:
			*at[uint32](q, i) = binary.LittleEndian.Uint32(b)
		case step64:
			*at[uint64](q, i) = binary.LittleEndian.Uint64(b)
		case stepInt:
			v := int64(binary.LittleEndian.Uint64(b))
			ok = ok && v >= math.MinInt && v <= math.MaxInt
			*at[int](q, i) = int(v)
		case stepUint:
			v := binary.LittleEndian.Uint64(b)
			ok = ok && v <= math.MaxUint
			*at[uint](q, i) = uint(v)
		}
	}
	return ok
}
