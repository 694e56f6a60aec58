// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"math/rand/v2"
	"testing"
)

// What is sifted out is missing where it was; the rest stays in order, and the sums are right.
func TestSift(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		q := &Queue[flag]{Limit: 100, Bytes: 1 << 20}
		var want []int // numbers that stay; -n for a gap of n
		miss := func(n int) {
			if n == 0 {
				return
			}
			if k := len(want); k > 0 && want[k-1] < 0 {
				want[k-1] -= n
				return
			}
			want = append(want, -n)
		}
		dropped := 0
		for i := range r.IntN(40) {
			if r.IntN(5) == 0 {
				q.Lose(2)
				miss(2)
			}
			f := flag{n: i + 1, out: r.IntN(2) == 0}
			q.Push(f, func(flag) { t.Fatal("it is full") })
			if f.out {
				dropped++
				miss(1)
			} else {
				want = append(want, f.n)
			}
		}
		for range r.IntN(3) { // the head has moved
			if q.Len() > 0 {
				f := q.Take(1)
				q.Push(f, nil)
			}
		}
		before := q.Len()
		n := q.Sift(func(f flag) bool { return f.out }, func(f flag) {
			if !f.out {
				t.Fatal("dropped what stays")
			}
		})
		if n != dropped || q.Len() != before-n || q.Size() != 8*q.Len() {
			t.Fatalf("%d of %d went, %d with %d bytes are left", n, before, q.Len(), q.Size())
		}
		kept, gaps := 0, 0
		for {
			f, gap, ok := q.Peek()
			gaps += int(*gap)
			*gap = 0
			if !ok {
				break
			}
			if f.out {
				t.Fatal("what was to go is there")
			}
			q.Take(1)
			kept++
		}
		missing := 0
		for _, w := range want {
			missing += max(-w, 0)
		}
		if kept != before-n || gaps != missing {
			t.Fatalf("%d kept, %d missing, not %d and %d", kept, gaps, before-n, missing)
		}
		if q.Push(flag{n: 7}, nil); q.Len() != 1 {
			t.Fatal("it cannot be used any more")
		}
	}
}

// Between those that stay the gap is where it was.
func TestSiftKeepsPlaces(t *testing.T) {
	q := &Queue[flag]{Limit: 100, Bytes: 1 << 20}
	for _, f := range []flag{{1, false}, {2, true}, {3, true}, {4, false}, {5, true}} {
		q.Push(f, nil)
	}
	q.Sift(func(f flag) bool { return f.out }, func(flag) {})
	var got []int
	for {
		f, gap, ok := q.Peek()
		if *gap > 0 {
			got = append(got, -int(*gap))
			*gap = 0
		}
		if !ok {
			break
		}
		got = append(got, f.n)
		q.Take(1)
	}
	if len(got) != 4 || got[0] != 1 || got[1] != -2 || got[2] != 4 || got[3] != -1 {
		t.Fatal(got)
	}
}

// flag is a piece of one message.
type flag struct {
	n   int
	out bool
}

func (flag) Len() int                      { return 1 }
func (flag) Size() int                     { return 8 }
func (flag) Within(bytes int) int          { return min(bytes/8, 1) }
func (f flag) Split(int) (head, tail flag) { return f, f }
func (f flag) Trim() flag                  { return f }
