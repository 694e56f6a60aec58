// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"flag"
	"math"
	"slices"
	"testing"
	"time"
)

var timingTrials = flag.Int("timing", 20_000, "attempts of each kind in TestTiming: 1000000 for a verdict")

// welch returns t of Welch's test: how far apart the means of two samples are, in units of
// what chance explains.
func welch(a, b []float64) float64 {
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b)))
}

func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(x)-1)
}

// cropped leaves out the slowest hundredth of both, by one bound: what the scheduler and the
// collector did.
func cropped(a, b []float64) ([]float64, []float64) {
	both := slices.Concat(a, b)
	slices.Sort(both)
	bound := both[len(both)*99/100]
	slow := func(v float64) bool { return v > bound }
	return slices.DeleteFunc(a, slow), slices.DeleteFunc(b, slow)
}

// TestTiming: how long it takes to refuse a proof does not tell which of its bytes is wrong,
// nor whether it is nearly that of the present secret, of an older one or of none. The kinds
// take turns, so that what the machine does meanwhile is done to all.
func TestTiming(t *testing.T) {
	n := *timingTrials
	m := secret(t, "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")
	b := connection("a")
	proof, _, err := m.Client(b).Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	older, _, err := secret(t, "fedcba9876543210fedcba9876543210").Client(b).Step(nil)
	if err != nil {
		t.Fatal(err)
	}
	kinds := []struct {
		name  string
		proof []byte
	}{
		{"first byte wrong", flipped(proof, 0)}, {"last byte wrong", flipped(proof, 31)},
		{"last byte of an older one wrong", flipped(older, 31)}, {"unknown", bytes.Repeat([]byte{7}, 32)},
	}
	took := make([][]float64, len(kinds))
	for i := range n + n/10 {
		for j := range kinds {
			k := (i + j) % len(kinds) // none is always the first
			s := m.Server(b)
			began := time.Now()
			_, _, err := s.Step(kinds[k].proof)
			d := time.Since(began)
			if err == nil {
				t.Fatal("taken")
			}
			if i >= n/10 { // the first ones warm up
				took[k] = append(took[k], float64(d))
			}
		}
	}
	// 4.5 is the usual bound of such tests (TVLA); chance exceeds it once in 150,000 times.
	bound := 4.5
	if n < 1_000_000 {
		bound = 10 // a busy machine is no leak: see the comment of -timing
	}
	for i := 1; i < len(kinds); i++ {
		x, y := cropped(slices.Clone(took[0]), slices.Clone(took[i]))
		mx, _ := moments(x)
		my, _ := moments(y)
		tt := welch(x, y)
		t.Logf("%s %.0f ns, %s %.0f ns: t = %.2f", kinds[0].name, mx, kinds[i].name, my, tt)
		if math.Abs(tt) > bound {
			t.Errorf("%s and %s differ: t = %.2f", kinds[0].name, kinds[i].name, tt)
		}
	}
}

// TestWelch: the test sees a leak where there is one.
func TestWelch(t *testing.T) {
	a, b := make([]float64, 10_000), make([]float64, 10_000)
	for i := range a {
		a[i], b[i] = float64(i%100), float64((i*37)%100)
	}
	if tt := welch(a, b); math.Abs(tt) > 1 {
		t.Fatal(tt)
	}
	for i := range b {
		b[i] += 3
	}
	if tt := welch(a, b); math.Abs(tt) < 4.5 {
		t.Fatal(tt)
	}
}
