// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"fmt"
	"testing"

	"github.com/plexus-ipc/plexus/operation"
)

// span is the numbers from first to last, each of so many bytes.
type span struct {
	first, last uint64
	each        int
}

func (s span) Len() int  { return int(s.last - s.first + 1) }
func (s span) Size() int { return s.Len() * s.each }

func (s span) Within(bytes int) int { return min(max(bytes, 0)/s.each, s.Len()) }

func (s span) Split(n int) (head, tail span) {
	if n < 1 || n >= s.Len() {
		panic("split at an end")
	}
	head, tail = s, s
	head.last = s.first + uint64(n) - 1
	tail.first = head.last + 1
	return head, tail
}

func (s span) Trim() span { return s }

// model is what a Queue of spans has to hold.
type model struct {
	t                 *testing.T
	q                 *Queue[span]
	next, seen, drops uint64
	sizes             map[uint64]int
}

func (m *model) gone(s span) {
	for n := s.first; n <= s.last; n++ {
		m.drops++
		delete(m.sizes, n)
	}
}

// take takes up to n messages of the oldest piece out.
func (m *model) take(n int) {
	item, gap, ok := m.q.Peek()
	m.seen += *gap
	*gap = 0
	if !ok {
		return
	}
	n = min(n, item.Len())
	got := m.q.Take(n)
	if got.first != m.seen+1 || got.Len() != n {
		m.t.Fatalf("%d to %d where %d was due", got.first, got.last, m.seen+1)
	}
	for ; m.seen < got.last; m.seen++ {
		delete(m.sizes, m.seen+1)
	}
}

// push adds n messages of a size; false if that is the end.
func (m *model) push(n, each int) bool {
	s := span{first: m.next + 1, last: m.next + uint64(n), each: each}
	m.next = s.last
	for k := s.first; k <= s.last; k++ {
		m.sizes[k] = each
	}
	if m.q.Push(s, m.gone) {
		if m.q.Policy != operation.Disconnect {
			m.t.Fatal("over")
		}
		return false
	}
	total := 0
	for _, n := range m.sizes {
		total += n
	}
	q := m.q
	if q.Len() > q.Limit || q.Len() != len(m.sizes) || q.Len() > 1 && total > q.Bytes || total != q.size {
		m.t.Fatalf("%d messages, %d bytes (%d counted)", q.Len(), total, q.size)
	}
	return true
}

// FuzzQueue pushes the numbers 1, 2, 3 … in pieces and takes them out again as a program
// says: what comes out, with its gaps, is all numbers in order, and the limits hold.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 1, 0, 0, 1, 200, 2, 1, 0, 1, 1})
	f.Add([]byte{1, 1, 1, 1, 1, 0, 0, 1, 2, 3, 1, 0, 0, 0})
	f.Add([]byte{2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0})
	f.Add([]byte{0x60, 0x31, 0x42, 0xf3, 0, 0x40, 0xff, 0x70, 0x25, 0x9f, 0})
	f.Add([]byte{0x61, 0x31, 0x42, 0xf3, 0, 0x40, 0xff, 0x70, 0x25, 0x9f, 0})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 {
			return
		}
		policies := []string{operation.DropOldest, operation.DropNewest, operation.Disconnect}
		m := &model{t: t, sizes: map[uint64]int{}}
		m.q = &Queue[span]{Limit: 1 + int(program[0]>>4), Bytes: 300, Policy: policies[program[0]%3]}
		for _, op := range program[1:] {
			if size := int(op & 15); size == 0 {
				m.take(1 + int(op>>4))
			} else if !m.push(1+int(op>>4), size*size) {
				return
			}
		}
		for m.q.Len() > 0 || m.q.gap > 0 {
			m.take(3)
		}
		if m.seen != m.next {
			t.Fatalf("%d of %d are accounted for, %d dropped", m.seen, m.next, m.drops)
		}
	})
}

// A long queue does not copy itself over and over, and an empty one keeps little.
func TestQueueGivesMemoryBack(t *testing.T) {
	q := &Queue[span]{Limit: 1 << 20, Bytes: 1 << 30}
	for i := range uint64(100_000) {
		q.Push(span{i, i, 1}, nil)
		q.Push(span{i, i, 1}, nil)
		q.Take(1)
	}
	if c := cap(q.items.items); c > 400_000 {
		t.Fatalf("room for %d", c)
	}
	for q.Len() > 0 {
		q.Take(1)
	}
	if c := cap(q.items.items); c > keepItems {
		t.Fatalf("room for %d is kept", c)
	}
}

// Shrink drops what no longer fits by the policy, and the gaps say exactly what is missing.
func TestShrink(t *testing.T) {
	for _, tc := range []struct {
		policy string
		want   string
	}{
		{operation.DropOldest, "gap 7, 8 to 9, gap 0"},
		{operation.DropNewest, "gap 2, 3 to 4, gap 5"},
	} {
		q := Queue[span]{Limit: 100, Bytes: 1000, Policy: tc.policy}
		q.Miss(2) // 1 and 2
		for _, s := range []span{{3, 5, 1}, {6, 6, 1}, {7, 9, 1}} {
			q.Push(s, func(span) { t.Fatal("dropped") })
		}
		q.Limit = 2
		dropped := 0
		q.Shrink(func(s span) { dropped += s.Len() })
		if dropped != 5 || q.Len() != 2 || q.Size() != 2 {
			t.Fatalf("%s: %d dropped, %d wait in %d bytes", tc.policy, dropped, q.Len(), q.Size())
		}
		_, gap, _ := q.Peek()
		before := *gap
		s := q.Take(2)
		*gap = 0
		_, gap, more := q.Peek()
		if got := fmt.Sprintf("gap %d, %d to %d, gap %d", before, s.first, s.last, *gap-before); got != tc.want || more {
			t.Errorf("%s: %s, want %s", tc.policy, got, tc.want)
		}
	}
}
