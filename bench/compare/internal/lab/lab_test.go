// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestHistogram holds quantiles against a sorted list.
func TestHistogram(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h, other Histogram
	var all []time.Duration
	for i := range 20000 {
		d := time.Duration(r.ExpFloat64() * 1e5)
		all = append(all, d)
		if i%2 == 0 {
			h.Record(d)
		} else {
			other.Record(d)
		}
	}
	h.Add(&other)
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999} {
		got, want := float64(h.Quantile(q)), float64(all[int(q*float64(len(all)))])
		if got < 0.99*want-1 || got > 1.01*want+1 {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
}

func TestHistogramTakesEverything(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{-1, 0, 1, 63, 64, 127, 128, 1<<63 - 1} {
		h.Record(d)
	}
	if got := h.Quantile(0.999); got < 1<<62 {
		t.Errorf("the longest is told as %v", got)
	}
}

func TestHistogramAllocatesNothing(t *testing.T) {
	h := new(Histogram)
	if n := testing.AllocsPerRun(100, func() { h.Record(12345) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDescribe(t *testing.T) {
	s := System{
		Name: "x", Serve: func(Job) error { return nil }, Dial: func(Job) (*Client, error) { return nil, ErrCannot },
		Cannot: map[string]string{Streams: "no", Loans: "no"},
	}
	if got := s.Describe().Patterns; !slices.Equal(got, []string{Calls}) {
		t.Errorf("patterns %v, want calls only", got)
	}
}
