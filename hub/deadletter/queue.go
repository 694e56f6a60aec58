// SPDX-License-Identifier: Apache-2.0

// Package deadletter answers the hub's question: what if not? What cannot be delivered now
// waits in a bounded Queue; what does not fit is dropped by policy, and the place where
// something is missing is remembered. Messages that are kept for later will be here, too.
//
// It is pure: no goroutine, no lock, no clock.
package deadletter

import "github.com/plexus-ipc/plexus/operation"

// Piece is what a Queue holds: one message, or several that wait as one.
type Piece[T any] interface {
	// Len returns how many messages it is, at least one, and Size their bytes.
	Len() int
	Size() int
	// Within returns how many messages, from the first on, have at most so many bytes.
	Within(bytes int) int
	// Split cuts it in two after n messages, 0 < n < Len.
	Split(n int) (head, tail T)
	// Trim returns what is stored of it: a part of something larger may become a copy.
	Trim() T
}

// Queue holds what waits for one receiver, in order, and where something is missing:
//
//	gap₁ piece₁ gap₂ piece₂ … gapₙ pieceₙ gap
//
// A Queue with limits is ready. Whoever uses it guards it.
type Queue[T Piece[T]] struct {
	Limit  int // messages
	Bytes  int // of all together; one message may be larger
	Policy string

	items fifo[entry[T]]
	n     int // messages
	size  int
	gap   uint64 // after the last piece
}

// entry is a piece with how many messages are missing just before it.
type entry[T any] struct {
	item T
	gap  uint64
}

// Len returns how many messages wait.
func (q *Queue[T]) Len() int { return q.n }

// Size returns the bytes of what waits.
func (q *Queue[T]) Size() int { return q.size }

// Push adds a piece. What has to go for it, or is not added of it, is given to dropped; over
// says that the policy is to end the receiver.
func (q *Queue[T]) Push(item T, dropped func(T)) (over bool) {
	if q.fits(item.Len(), item.Size()) {
		q.add(item)
		return false
	}
	switch q.Policy {
	case operation.Disconnect:
		dropped(item)
		return true
	case operation.DropNewest:
		q.addBeginning(item, dropped)
	default:
		q.addEnd(item, dropped)
	}
	return false
}

// fits reports whether there is room for so many messages and bytes.
func (q *Queue[T]) fits(n, size int) bool {
	return q.n+n <= q.Limit && q.size+size <= q.Bytes || q.n == 0 && n == 1
}

func (q *Queue[T]) add(item T) {
	q.items.push(entry[T]{item: item, gap: q.gap})
	q.gap = 0
	q.n += item.Len()
	q.size += item.Size()
}

// addBeginning adds as many messages of a piece as there is room for.
func (q *Queue[T]) addBeginning(item T, dropped func(T)) {
	n := min(item.Len(), q.Limit-q.n, item.Within(q.Bytes-q.size))
	if q.n == 0 {
		n = max(n, 1)
	}
	missing := item.Len() - n
	if n > 0 && missing > 0 {
		var head T
		head, item = item.Split(n)
		q.add(head.Trim())
	} else if n > 0 {
		q.add(item)
	}
	if missing > 0 {
		dropped(item)
		q.gap += uint64(missing)
	}
}

// addEnd adds a piece after what is older has gone, of the piece itself if need be.
func (q *Queue[T]) addEnd(item T, dropped func(T)) {
	for q.n > 0 && !q.fits(item.Len(), item.Size()) {
		n := 1
		if over := q.n + item.Len() - q.Limit; over > 1 {
			head, _, _ := q.Peek()
			n = min(over, head.Len())
		}
		head := q.Take(n)
		q.Miss(uint64(n))
		dropped(head)
	}
	for !q.fits(item.Len(), item.Size()) { // nothing else waits
		head, tail := item.Split(max(item.Len()-q.Limit, 1))
		q.gap += uint64(head.Len())
		dropped(head)
		item = tail.Trim()
	}
	q.add(item)
}

// Shrink drops what no longer fits, by the policy, after the limits were lowered. At least one
// message stays.
func (q *Queue[T]) Shrink(dropped func(T)) {
	for q.n > 1 && (q.n > q.Limit || q.size > q.Bytes) {
		if q.Policy == operation.DropNewest {
			dropped(q.takeLast())
			continue
		}
		head := q.Take(1)
		q.Miss(1)
		dropped(head)
	}
}

// takeLast takes the newest message out, and notes that it is missing.
func (q *Queue[T]) takeLast() T {
	e := &q.items.items[len(q.items.items)-1]
	last := e.item
	if n := last.Len(); n > 1 {
		e.item, last = e.item.Split(n - 1)
		q.gap++
	} else {
		q.gap += e.gap + 1
		q.items.drop()
	}
	q.n--
	q.size -= last.Size()
	return last
}

// Peek returns the oldest piece and how many messages are missing before it, to be set to
// zero when that has been told. With no piece ok is false, and the gap is after all there were.
func (q *Queue[T]) Peek() (item T, gap *uint64, ok bool) {
	if e := q.items.peek(); e != nil {
		return e.item, &e.gap, true
	}
	return item, &q.gap, false
}

// Take takes the first n messages of the oldest piece out. A gap before them stays, before
// the next.
func (q *Queue[T]) Take(n int) T {
	e := q.items.peek()
	head := e.item
	if n == head.Len() {
		gap := e.gap
		q.items.pop()
		q.Miss(gap)
	} else {
		head, e.item = e.item.Split(n)
	}
	q.n -= n
	q.size -= head.Size()
	return head
}

// Miss notes that n more are missing before the oldest message.
func (q *Queue[T]) Miss(n uint64) {
	_, gap, _ := q.Peek()
	*gap += n
}

// Lose notes that n are missing after the newest message.
func (q *Queue[T]) Lose(n uint64) { q.gap += n }

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

// drop takes the newest item out.
func (q *fifo[T]) drop() {
	var zero T
	last := len(q.items) - 1
	q.items[last] = zero
	if q.items = q.items[:last]; q.head == last {
		q.items, q.head = q.items[:0], 0
	}
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
