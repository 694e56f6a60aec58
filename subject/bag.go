// SPDX-License-Identifier: Apache-2.0

package subject

import "slices"

// indexFrom is the size at which a bag gets an index: below it a search is faster,
// and most patterns have few subscribers; above it ten thousand subscribers of one
// topic may leave without a quadratic search.
const indexFrom = 32

// bag is a set that can be appended to a slice in one copy.
type bag[T comparable] struct {
	list  []T
	index map[T]int // position in list, nil for a small bag
}

// find gives the position of value, or -1.
func (b *bag[T]) find(value T) int {
	if b.index == nil {
		return slices.Index(b.list, value)
	}
	if i, ok := b.index[value]; ok {
		return i
	}
	return -1
}

// add puts value in, unless it is there.
func (b *bag[T]) add(value T) bool {
	if b.find(value) >= 0 {
		return false
	}
	b.list = append(b.list, value)
	switch {
	case b.index != nil:
		b.index[value] = len(b.list) - 1
	case len(b.list) >= indexFrom:
		b.index = make(map[T]int, len(b.list))
		for i, v := range b.list {
			b.index[v] = i
		}
	}
	return true
}

// remove takes value out; the last one takes its place.
func (b *bag[T]) remove(value T) bool {
	i := b.find(value)
	if i < 0 {
		return false
	}
	last := len(b.list) - 1
	moved := b.list[last]
	b.list[i] = moved
	clear(b.list[last:]) // let go of what it points to
	b.list = b.list[:last]
	if b.index != nil {
		b.index[moved] = i
		delete(b.index, value)
	}
	if last == 0 {
		*b = bag[T]{}
	}
	return true
}
