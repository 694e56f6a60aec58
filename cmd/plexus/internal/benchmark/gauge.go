// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"time"
)

// gauge is what a process has used so far.
type gauge struct {
	CPU     *time.Duration // nil: the system does not tell
	Mallocs uint64
	Calls   *uint64 // of read and write on descriptors; nil: the system does not tell
}

// readGauge reads them.
func readGauge() gauge {
	g := gauge{CPU: processTime()}
	if text, err := os.ReadFile("/proc/self/io"); err == nil {
		reads, a := ioCounter(text, "syscr: ")
		writes, b := ioCounter(text, "syscw: ")
		if n := reads + writes; a && b {
			g.Calls = &n
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	g.Mallocs = m.Mallocs
	return g
}

// ioCounter finds a line of /proc/self/io.
func ioCounter(text []byte, name string) (uint64, bool) {
	_, rest, ok := bytes.Cut(text, []byte(name))
	if !ok {
		return 0, false
	}
	digits, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseUint(string(digits), 10, 64)
	return n, err == nil
}

// usage is what some processes have used between two gauges, without what reading the
// gauges itself costs.
type usage struct {
	cpu    *time.Duration
	allocs float64
	calls  *float64
}

// used adds up what processes have used. Each has told its gauge three times: twice with
// nothing between, and after the work.
func used(marks [][3]gauge) usage {
	var cpu time.Duration
	var u usage
	var calls float64
	hasCPU, hasCalls := true, true
	for _, m := range marks {
		if m[0].CPU == nil || m[1].CPU == nil || m[2].CPU == nil {
			hasCPU = false
		} else {
			cpu += max(0, (*m[2].CPU-*m[1].CPU)-(*m[1].CPU-*m[0].CPU))
		}
		u.allocs += between(m[0].Mallocs, m[1].Mallocs, m[2].Mallocs)
		if m[0].Calls == nil || m[1].Calls == nil || m[2].Calls == nil {
			hasCalls = false
		} else {
			calls += between(*m[0].Calls, *m[1].Calls, *m[2].Calls)
		}
	}
	if hasCPU {
		u.cpu = &cpu
	}
	if hasCalls {
		u.calls = &calls
	}
	return u
}

// between is what grew from b to c, without what grew from a to b.
func between(a, b, c uint64) float64 { return max(0, float64(c-b)-float64(b-a)) }
