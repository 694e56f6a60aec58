// SPDX-License-Identifier: Apache-2.0

package retain

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// value is a number with a size, which counts how often it is kept.
type value struct {
	n, size int
	refs    *int
}

func (v value) Size() int { return v.size }
func (v value) Release()  { *v.refs-- }

// A Ring has, whatever is added, the longest end of it that fits its bounds.
func TestRingKeepsTheLongestEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		r := Ring[value]{Values: rng.IntN(20), Age: time.Duration(rng.IntN(20)) * time.Second, Bytes: 50 + rng.IntN(200)}
		now := time.Unix(1e6, 0)
		var all []entry[value]
		refs := 0
		for i := range 200 {
			now = now.Add(time.Duration(rng.IntN(3)) * time.Second)
			v := value{i, 1 + rng.IntN(60), &refs}
			refs++
			all = append(all, entry[value]{v, now})
			r.Add(v, now)
			from, size := len(all), 0
			for from > 0 {
				e := all[from-1]
				if size += e.item.size; size > r.Bytes || r.Values > 0 && len(all)-from == r.Values || r.Age > 0 && now.Sub(e.at) > r.Age {
					break
				}
				from--
			}
			got := r.Last(nil, 0, 0, now)
			if len(got) != len(all)-from || r.Len() != len(got) || refs != len(got) {
				t.Fatalf("%d values kept, %d picked, %d referred to, want %d", r.Len(), len(got), refs, len(all)-from)
			}
			for k, p := range got {
				if p.Item.n != from+k || !p.At.Equal(all[from+k].at) {
					t.Fatalf("value %d where %d was due", p.Item.n, from+k)
				}
			}
		}
		if r.Clear(); refs != 0 || r.Size() != 0 || r.Len() != 0 {
			t.Fatalf("%d referred to, %d bytes", refs, r.Size())
		}
	}
}

func TestLast(t *testing.T) {
	refs := 0
	r := Ring[value]{Bytes: 1000}
	begin := time.Unix(1e6, 0)
	for i := range 10 {
		r.Add(value{i, 10, &refs}, begin.Add(time.Duration(i)*time.Second))
	}
	now := begin.Add(9 * time.Second)
	for _, tc := range []struct {
		n     int
		age   time.Duration
		first int
	}{{0, 0, 0}, {3, 0, 7}, {30, 0, 0}, {0, 2 * time.Second, 7}, {2, 5 * time.Second, 8}, {5, 2 * time.Second, 7}, {0, 1, 9}} {
		picks := r.Last(nil, tc.n, tc.age, now)
		if len(picks) != 10-tc.first || picks[0].Item.n != tc.first {
			t.Errorf("last %d of %v: %d values from %d", tc.n, tc.age, len(picks), picks[0].Item.n)
		}
	}
	if picks := r.Last(nil, 5, time.Second, now.Add(time.Hour)); len(picks) != 0 {
		t.Errorf("%d values", len(picks))
	}
}

func TestFit(t *testing.T) {
	refs := 0
	at := func(n, s int) Pick[value] {
		return Pick[value]{value{n, 10, &refs}, time.Unix(int64(s), 0)}
	}
	picks := []Pick[value]{at(0, 1), at(3, 4), at(4, 9), at(1, 2), at(2, 2), at(5, 10)}
	for _, tc := range []struct{ values, bytes, want int }{{10, 1000, 6}, {4, 1000, 4}, {10, 35, 3}, {0, 1000, 0}, {10, 9, 0}} {
		got := Fit(picks, tc.values, tc.bytes)
		if len(got) != tc.want {
			t.Fatalf("%d values, want %d", len(got), tc.want)
		}
		for i, p := range got {
			if p.Item.n != 6-tc.want+i {
				t.Fatalf("%d at %d of %d", p.Item.n, i, tc.want)
			}
		}
	}
}
