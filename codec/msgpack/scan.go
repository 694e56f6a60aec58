// SPDX-License-Identifier: Apache-2.0

package msgpack

import (
	"encoding/binary"

	"github.com/plexus-ipc/plexus/codec"
)

// class is what the first byte of a MessagePack item announces.
type class uint8

const (
	scalar class = iota // done, apart from fixed bytes
	block               // that many bytes
	array               // that many items
	pairs               // that many pairs of items
	never               // 0xc1, which is no item
)

// head is the first byte of an item, explained.
type head struct {
	class class
	wide  int // bytes of the length that follows; 0: the length is n
	n     int // the length if wide is 0; else bytes to add to it
}

// explain returns the head that b is.
func explain(b byte) head {
	switch {
	case b < 0x80 || b >= 0xe0:
		return head{class: scalar}
	case b < 0x90:
		return head{class: pairs, n: int(b & 0x0f)}
	case b < 0xa0:
		return head{class: array, n: int(b & 0x0f)}
	case b < 0xc0:
		return head{class: block, n: int(b & 0x1f)}
	}
	return heads[b-0xc0]
}

// heads explains 0xc0 to 0xdf; it is never written to. The type byte of an ext counts as
// one more byte of content.
var heads = [0x20]head{
	{scalar, 0, 0}, {never, 0, 0}, {scalar, 0, 0}, {scalar, 0, 0}, // nil, -, false, true
	{block, 1, 0}, {block, 2, 0}, {block, 4, 0}, // bin
	{block, 1, 1}, {block, 2, 1}, {block, 4, 1}, // ext
	{block, 0, 4}, {block, 0, 8}, // float
	{block, 0, 1}, {block, 0, 2}, {block, 0, 4}, {block, 0, 8}, // uint
	{block, 0, 1}, {block, 0, 2}, {block, 0, 4}, {block, 0, 8}, // int
	{block, 0, 2}, {block, 0, 3}, {block, 0, 5}, {block, 0, 9}, {block, 0, 17}, // fixext
	{block, 1, 0}, {block, 2, 0}, {block, 4, 0}, // str
	{array, 2, 0}, {array, 4, 0}, {pairs, 2, 0}, {pairs, 4, 0},
}

// length returns the length of the item that begins data, and how long its head is. ok is
// false if data is too short to tell.
func (h head) length(data []byte) (n uint64, size int, ok bool) {
	size = 1 + h.wide
	if len(data) < size {
		return 0, 0, false
	}
	if h.wide == 0 {
		return uint64(h.n), size, true
	}
	var wide [8]byte
	copy(wide[8-h.wide:], data[1:size])
	return binary.BigEndian.Uint64(wide[:]) + uint64(h.n), size, true
}

// scan checks, before anything is made from data, that it is one well-formed item: every
// length and count is covered by bytes that are there, and nothing is nested deeper than
// depth. It does not recurse and, up to depth 32, does not allocate.
func scan(data []byte, depth int) error {
	var room [codec.MaxDepth]uint64
	left := room[:0] // how many items are missing in each open container
	for i := 0; ; {
		size, items, err := measure(data[i:])
		if err != nil {
			return err
		}
		i += size
		switch {
		case items > 0 && len(left) >= depth:
			return problem(codec.TooDeep, "nested deeper than %d", depth)
		case items > 0:
			left = append(left, items)
		default:
			left = closeFull(left)
		}
		if len(left) == 0 {
			if i < len(data) {
				return problem(codec.Malformed, "%d bytes follow the value", len(data)-i)
			}
			return nil
		}
	}
}

// measure returns how many bytes of data belong to the item that begins it, without the
// items inside it, and how many those are.
func measure(data []byte) (size int, items uint64, err error) {
	if len(data) == 0 {
		return 0, 0, problem(codec.Malformed, "cut short")
	}
	h := explain(data[0])
	n, size, ok := h.length(data)
	if !ok || h.class == never {
		return 0, 0, problem(codec.Malformed, "byte 0x%02x without what belongs to it", data[0])
	}
	if h.class == pairs {
		n *= 2 // at most 2^33
	}
	if n > uint64(len(data)-size) {
		return 0, 0, problem(codec.Malformed, "a length or count of %d with %d bytes left", n, len(data)-size)
	}
	if h.class == array || h.class == pairs {
		return size, n, nil
	}
	return size + int(n), 0, nil
}

// closeFull counts a complete item in what contains it, and closes what is full.
func closeFull(left []uint64) []uint64 {
	for n := len(left) - 1; n >= 0; n-- {
		if left[n]--; left[n] > 0 {
			return left[:n+1]
		}
	}
	return left[:0]
}
