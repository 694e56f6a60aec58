// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
)

// sample is one slot.
type sample struct {
	ops      int
	took     time.Duration
	p50, p99 time.Duration
	used     usage
}

// rowOf makes a row of the rounds of a case.
func rowOf(x *rig, k report.Case, rounds []sample) report.Row {
	row := report.Row{Pattern: k.Pattern, Route: x.route, Transport: x.scheme, Buffer: x.buffer.name, Callers: k.Callers, Bytes: k.Bytes}
	row.P50 = median(rounds, func(s *sample) float64 { return micros(s.p50) })
	row.P99 = median(rounds, func(s *sample) float64 { return micros(s.p99) })
	row.PerSecond = median(rounds, func(s *sample) float64 { return float64(s.ops) / max(s.took, time.Microsecond).Seconds() })
	row.MiBPerSecond = row.PerSecond * float64(k.Bytes) / (1 << 20)
	row.Allocs = median(rounds, func(s *sample) float64 { return s.used.allocs / float64(s.ops) })
	if rounds[0].used.cpu != nil {
		cpu := median(rounds, func(s *sample) float64 { return micros(*s.used.cpu) / float64(s.ops) })
		row.CPU = &cpu
	}
	if rounds[0].used.calls != nil {
		calls := median(rounds, func(s *sample) float64 { return *s.used.calls / float64(s.ops) })
		row.Calls = &calls
	}
	return row
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// median returns the middle one of what f says of each round, of an even number the mean
// of the middle two.
func median(rounds []sample, f func(*sample) float64) float64 {
	v := make([]float64, len(rounds))
	for i := range rounds {
		v[i] = f(&rounds[i])
	}
	slices.Sort(v)
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}
