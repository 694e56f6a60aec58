// SPDX-License-Identifier: Apache-2.0

// Package deadletter answers the hub's question: what if not? What cannot be delivered now
// waits in a bounded Queue; what does not fit is dropped by policy, and the place where
// something is missing is remembered. Messages that are kept for later will be here, too.
//
// It is pure: no goroutine, no lock, no clock.
package deadletter

import "github.com/plexus-ipc/plexus/operation"

// Queue holds what waits for one receiver, in order, and where something is missing:
//
//	gap₁ item₁ gap₂ item₂ … gapₙ itemₙ gap
//
// A Queue with limits is ready. Whoever uses it guards it.
type Queue[T any] struct {
	Limit  int // items
	Bytes  int // of all together; one item may be larger
	Policy string

	items fifo[entry[T]]
	size  int
	gap   uint64 // after the last item
}

// entry is an item with how many are missing just before it.
type entry[T any] struct {
	item T
	size int
	gap  uint64
}

// Len returns how many items wait.
func (q *Queue[T]) Len() int { return q.items.len() }

// Push adds an item, after dropped was called with each old one that has to go for it. If
// it does not fit it is not added; over says that the policy is to end the receiver.
func (q *Queue[T]) Push(item T, size int, dropped func(T)) (ok, over bool) {
	for q.Len() > 0 && (q.Len() >= q.Limit || q.size+size > q.Bytes) {
		switch q.Policy {
		case operation.Disconnect:
			return false, true
		case operation.DropNewest:
			q.gap++
			return false, false
		}
		e := q.pop()
		q.Miss(e.gap + 1)
		dropped(e.item)
	}
	q.items.push(entry[T]{item: item, size: size, gap: q.gap})
	q.gap = 0
	q.size += size
	return true, false
}

// Peek returns the oldest item and how many are missing before it, to be set to zero when
// that has been told. With no item ok is false, and the gap is after all there were.
func (q *Queue[T]) Peek() (item T, gap *uint64, ok bool) {
	if e := q.items.peek(); e != nil {
		return e.item, &e.gap, true
	}
	return item, &q.gap, false
}

// Pop takes the oldest item out. A gap before it stays, before the next.
func (q *Queue[T]) Pop() T {
	e := q.pop()
	q.Miss(e.gap)
	return e.item
}

func (q *Queue[T]) pop() entry[T] {
	e := q.items.pop()
	q.size -= e.size
	return e
}

// Miss notes that n more are missing before the oldest item.
func (q *Queue[T]) Miss(n uint64) {
	_, gap, _ := q.Peek()
	*gap += n
}

// keepItems is how many places an empty fifo keeps.
const keepItems = 256

// fifo is a queue that gives its memory back when it is empty.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

// peek returns the oldest item, nil if there is none; it is valid until the next push or pop.
func (q *fifo[T]) peek() *T {
	if q.len() == 0 {
		return nil
	}
	return &q.items[q.head]
}

func (q *fifo[T]) push(v T) {
	if len(q.items) == cap(q.items) && q.head > 0 && q.head >= len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

func (q *fifo[T]) pop() T {
	var zero T
	v := q.items[q.head]
	q.items[q.head] = zero
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > keepItems {
			q.items = nil
		}
	}
	return v
}
