// SPDX-License-Identifier: Apache-2.0

// Package retain answers the hub's question: what was said before he came? It keeps the last
// values of a topic, bounded by their number, their age and their bytes, and picks those
// that a new subscriber is to have.
//
// It is pure: no goroutine, no lock, no clock.
package retain

import (
	"slices"
	"time"
)

// Value is what a Ring keeps.
type Value interface {
	// Size returns the bytes that keeping it takes.
	Size() int
	// Release gives them back. A Ring calls it when it forgets the value.
	Release()
}

// Ring keeps the last values of one topic, oldest first, without a hole: what it has is
// always the end of what was added. Whoever uses it guards it.
type Ring[T Value] struct {
	Values int           // at most so many, 0 for any number
	Age    time.Duration // none that is older, 0 for any age
	Bytes  int           // of all together

	items []entry[T]
	head  int // of items: what is before has been forgotten
	size  int
}

type entry[T any] struct {
	item T
	at   time.Time
}

// Len returns how many values are kept.
func (r *Ring[T]) Len() int { return len(r.items) - r.head }

// Size returns their bytes.
func (r *Ring[T]) Size() int { return r.size }

// Add keeps a value that belongs to the Ring from now on. One that is too large for it empties
// it: the values before would not be the last.
func (r *Ring[T]) Add(item T, now time.Time) {
	if r.head > 0 && len(r.items) == cap(r.items) && r.head >= len(r.items)/2 {
		n := copy(r.items, r.items[r.head:])
		clear(r.items[n:])
		r.items, r.head = r.items[:n], 0
	}
	r.items = append(r.items, entry[T]{item, now})
	r.size += item.Size()
	r.Trim(now)
}

// Trim forgets what is too old or too much.
func (r *Ring[T]) Trim(now time.Time) {
	for r.Len() > 0 && (r.Values > 0 && r.Len() > r.Values || r.size > r.Bytes || r.old(r.head, r.Age, now)) {
		r.Forget()
	}
}

func (r *Ring[T]) old(i int, age time.Duration, now time.Time) bool {
	return age > 0 && now.Sub(r.items[i].at) > age
}

// Forget forgets the oldest value; there must be one.
func (r *Ring[T]) Forget() {
	e := r.items[r.head]
	r.items[r.head] = entry[T]{}
	r.size -= e.item.Size()
	if r.head++; r.head == len(r.items) {
		r.items, r.head = nil, 0
	}
	e.item.Release()
}

// Clear forgets all.
func (r *Ring[T]) Clear() {
	for r.Len() > 0 {
		r.Forget()
	}
}

// Pick is a value that a subscriber is to have, with the time at which it was added.
type Pick[T any] struct {
	Item T
	At   time.Time
}

// Last appends the last n values to picks, 0 for any number, that are not older than age, 0
// for any age. They still belong to the Ring.
func (r *Ring[T]) Last(picks []Pick[T], n int, age time.Duration, now time.Time) []Pick[T] {
	from := r.head
	if n > 0 {
		from = max(from, len(r.items)-n)
	}
	for from < len(r.items) && (r.old(from, age, now) || r.old(from, r.Age, now)) {
		from++
	}
	for _, e := range r.items[from:] {
		picks = append(picks, Pick[T]{e.item, e.at})
	}
	return picks
}

// Fit brings the picks of several topics into the order in which they were added, and returns
// the last of them that have at most so many bytes together.
func Fit[T Value](picks []Pick[T], values, bytes int) []Pick[T] {
	slices.SortStableFunc(picks, func(a, b Pick[T]) int { return a.At.Compare(b.At) })
	from := len(picks)
	for from > 0 && len(picks)-from < values {
		size := picks[from-1].Item.Size()
		if size > bytes {
			break
		}
		bytes -= size
		from--
	}
	return picks[from:]
}
