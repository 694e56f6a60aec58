// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"testing"

	"github.com/plexus-ipc/plexus/operation"
)

// FuzzQueue pushes the numbers 1, 2, 3 … and takes them out again as a program says: what
// comes out, with its gaps, is all numbers in order, and the limits hold.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 1, 0, 0, 1, 200, 2, 1, 0, 1, 1})
	f.Add([]byte{1, 1, 1, 1, 1, 0, 0, 1, 2, 3, 1, 0, 0, 0})
	f.Add([]byte{2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 {
			return
		}
		policies := []string{operation.DropOldest, operation.DropNewest, operation.Disconnect}
		q := &Queue[uint64]{Limit: 1 + int(program[0]>>4), Bytes: 300, Policy: policies[program[0]%3]}
		var next, seen, drops uint64
		sizes := map[uint64]int{}
		take := func() {
			item, gap, ok := q.Peek()
			seen += *gap
			*gap = 0
			if !ok {
				return
			}
			if seen++; item != seen {
				t.Fatalf("%d where %d was due", item, seen)
			}
			if q.Pop() != item {
				t.Fatal("another item was popped")
			}
			delete(sizes, item)
		}
		for _, op := range program[1:] {
			if op == 0 {
				take()
				continue
			}
			next++
			ok, over := q.Push(next, int(op), func(n uint64) { drops++; delete(sizes, n) })
			switch {
			case over && q.Policy != operation.Disconnect, over && ok:
				t.Fatal("over")
			case over:
				return
			case ok:
				sizes[next] = int(op)
			default:
				drops++
			}
			total := 0
			for _, n := range sizes {
				total += n
			}
			if q.Len() > q.Limit || q.Len() != len(sizes) || q.Len() > 1 && total > q.Bytes || total != q.size {
				t.Fatalf("%d items, %d bytes", q.Len(), total)
			}
		}
		for q.Len() > 0 || q.gap > 0 {
			take()
		}
		if seen != next {
			t.Fatalf("%d of %d are accounted for, %d dropped", seen, next, drops)
		}
	})
}

// A long queue does not copy itself over and over, and an empty one keeps little.
func TestQueueGivesMemoryBack(t *testing.T) {
	q := &Queue[int]{Limit: 1 << 20, Bytes: 1 << 30}
	for i := range 100_000 {
		q.Push(i, 1, nil)
		q.Push(i, 1, nil)
		q.Pop()
	}
	if c := cap(q.items.items); c > 400_000 {
		t.Fatalf("room for %d", c)
	}
	for q.Len() > 0 {
		q.Pop()
	}
	if c := cap(q.items.items); c > keepItems {
		t.Fatalf("room for %d is kept", c)
	}
}
