// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"math"
	"testing"
	"time"
)

// Every duration lies below the end of its class, and above it by an eighth at most.
func TestClasses(t *testing.T) {
	last := -1
	for d := time.Duration(0); d < 20*24*time.Hour; d += d/50 + 700 {
		c := class(d)
		if c < last || c >= classes {
			t.Fatalf("%v is in class %d after %d", d, c, last)
		}
		last = c
		end := upper(c)
		if c < classes-1 && (d >= end || float64(end-d) > math.Max(1000, float64(d)/8)+1000) {
			t.Fatalf("%v is in class %d, which ends at %v", d, c, end)
		}
		if c > 0 && upper(c-1) > d && c < classes-1 {
			t.Fatalf("%v is in class %d, but the one before ends at %v", d, c, upper(c-1))
		}
	}
	if class(-time.Second) != 0 || class(math.MaxInt64) != classes-1 {
		t.Error("the ends")
	}
}

// A quantile follows what is seen, and forgets.
func TestQuantileForgets(t *testing.T) {
	l := latency{quantile: 0.9}
	for n := range 31 {
		l.see(time.Duration(n) * time.Millisecond)
	}
	if l.get() != 0 {
		t.Error("told too early")
	}
	for range 5000 {
		l.see(time.Millisecond)
	}
	if v := l.get(); v < time.Millisecond || v > 1200*time.Microsecond {
		t.Error("all take 1ms:", v)
	}
	n := 0
	for ; l.get() < 100*time.Millisecond; n++ {
		l.see(100 * time.Millisecond)
	}
	if n < 50 || n > 250 {
		t.Error("the change was seen after", n)
	}
}

func BenchmarkParts(b *testing.B) {
	b.Run("budget", func(b *testing.B) {
		x := newBudget(0)
		for b.Loop() {
			x.call()
		}
	})
	b.Run("latency", func(b *testing.B) {
		x := latency{quantile: 0.95}
		for b.Loop() {
			x.see(time.Millisecond)
		}
	})
}
