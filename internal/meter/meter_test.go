// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestTake(t *testing.T) {
	m, now := New(10, 10), time.Hour
	for i, c := range []struct {
		after time.Duration
		n     int
		wait  time.Duration
	}{
		{0, 9, 0}, {0, 1, 0}, {0, 1, 100 * time.Millisecond}, {50 * time.Millisecond, 1, 50 * time.Millisecond},
		{50 * time.Millisecond, 1, 0}, {time.Hour, 10, 0}, {0, 2, 200 * time.Millisecond},
		{time.Hour, 25, 0}, {time.Second, 1, 600 * time.Millisecond}, {600 * time.Millisecond, 1, 0},
		{0, 0, 0}, {0, -1, 0},
	} {
		now += c.after
		if wait := m.Take(c.n, now); wait != c.wait {
			t.Errorf("%d: wait %v, want %v", i, wait, c.wait)
		}
	}
	if m.Idle(now+299*time.Millisecond) || !m.Idle(now+time.Second) || !(*Meter)(nil).Idle(0) {
		t.Error("it is not idle when it should be, or is")
	}
	if (*Meter)(nil).Take(1e9, now) != 0 || New(0, 1) != nil || New(-1, 1) != nil {
		t.Error("no bound bounds")
	}
}

// A clock that is set back refuses; what would overflow does not.
func TestTakeAtTheEdges(t *testing.T) {
	m := New(1, 1)
	if m.Take(1, time.Hour) != 0 {
		t.Fatal("the first does not pass")
	}
	if wait := m.Take(1, time.Minute); wait != time.Hour-time.Minute+time.Second {
		t.Fatal(wait)
	}
	for _, m := range []*Meter{New(1, math.MaxInt), New(math.MaxInt, math.MaxInt), New(1, 0), New(math.MaxInt, 0)} {
		if wait := m.Take(math.MaxInt, time.Hour); wait != 0 {
			t.Fatal(wait)
		}
		if wait := m.Take(1, time.Hour); wait < 0 {
			t.Fatal(wait)
		}
		if d := m.Ahead(math.MaxInt, time.Hour, time.Minute); d != time.Minute {
			t.Fatal(d)
		}
	}
}

func TestAhead(t *testing.T) {
	m := New(100, 1)
	for i, c := range []struct {
		at   time.Duration
		n    int
		want time.Duration
	}{
		{0, 1, 10 * time.Millisecond}, {0, 1, 20 * time.Millisecond}, {15 * time.Millisecond, 3, 35 * time.Millisecond},
		{time.Second, 50, 500 * time.Millisecond}, {time.Second, 51, time.Second}, {time.Second, 50, time.Second}, {time.Second, 0, 0},
	} {
		if got := m.Ahead(c.n, c.at, time.Second); got != c.want {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
	if (*Meter)(nil).Ahead(1, 0, time.Second) != 0 {
		t.Error("no bound bounds")
	}
}

// Whoever takes at the same time takes no more together than one would.
func TestTakeTogether(t *testing.T) {
	const rate, burst, span = 1000, 100, 10 // seconds
	m := New(rate, burst)
	var clock, passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				now := clock.Add(int64(50 * time.Microsecond))
				if now > span*int64(time.Second) {
					return
				}
				if m.Take(1, time.Duration(now)) == 0 {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n > rate*span+burst+1 || n < rate*span-rate/10 {
		t.Fatalf("%d passed in %d s at %d a second", n, span, rate)
	}
}

func TestNoAllocation(t *testing.T) {
	m := New(1000, 10)
	if n := testing.AllocsPerRun(1000, func() { m.Take(1, time.Second) }); n != 0 {
		t.Fatal(n)
	}
}

func BenchmarkTake(b *testing.B) {
	m := New(1e9, 1e9)
	for i := range b.N {
		m.Take(1, time.Duration(i))
	}
}
