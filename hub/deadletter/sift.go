// SPDX-License-Identifier: Apache-2.0

package deadletter

// Sift takes out the pieces that out is true for, gives them to dropped, and notes that they are
// missing where they were. It returns how many messages they are.
func (q *Queue[T]) Sift(out func(T) bool, dropped func(T)) (n int) {
	f := &q.items
	to, missing := f.head, uint64(0)
	for i := f.head; i < len(f.items); i++ {
		e := f.items[i]
		e.gap += missing
		missing = 0
		if !out(e.item) {
			f.items[to] = e
			to++
			continue
		}
		missing = e.gap + uint64(e.item.Len())
		n += e.item.Len()
		q.n -= e.item.Len()
		q.size -= e.item.Size()
		dropped(e.item)
	}
	clear(f.items[to:])
	if f.items = f.items[:to]; f.head == to {
		f.items, f.head = f.items[:0], 0
	}
	q.gap += missing
	return n
}
