// SPDX-License-Identifier: Apache-2.0

// Package machine tells what a program runs on: the figures of a benchmark mean nothing
// without it.
package machine

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Machine describes this machine. What cannot be found out is empty or nil.
type Machine struct {
	OS      string   `json:"os"`
	Kernel  string   `json:"kernel"`
	Arch    string   `json:"arch"`
	CPU     string   `json:"cpu"`
	Cores   int      `json:"cores"`            // logical ones that this process may use
	SMT     int      `json:"smt"`              // logical ones per physical one; 0: unknown
	Procs   int      `json:"gomaxprocs"`       // threads that run Go code at a time
	Load    *float64 `json:"load_1m"`          // running tasks on average, before the work began
	Go      string   `json:"go"`               // the toolchain
	Program string   `json:"plexus,omitempty"` // the version of this program
}

// Describe looks at the machine.
func Describe(program string) Machine {
	m := Machine{
		OS: runtime.GOOS, Kernel: kernel(), Arch: runtime.GOARCH, CPU: cpu(), Cores: runtime.NumCPU(),
		Procs: runtime.GOMAXPROCS(0), Go: runtime.Version(), Program: program, Load: load(),
	}
	m.SMT = Siblings(os.ReadFile)
	return m
}

// Busy reports whether others used a good part of the machine.
func (m *Machine) Busy() bool { return m.Load != nil && *m.Load > 0.5*float64(m.Cores) }

// Siblings returns how many logical cores share a physical one, 0 if the system does not
// tell. readFile is os.ReadFile or a substitute.
func Siblings(readFile func(string) ([]byte, error)) int {
	text, err := readFile("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
	if err != nil {
		return 0
	}
	return CountList(string(text))
}

// CountList counts a list of cores as Linux writes it: "0,4" or "0-3,8".
func CountList(text string) int {
	n := 0
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		low, high, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(low)
		if err != nil {
			return 0
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(high); err != nil || b < a {
				return 0
			}
		}
		n += b - a + 1
	}
	return n
}

// load is the load average of the last minute, where the system has one.
func load() *float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	first, _, _ := bytes.Cut(text, []byte(" "))
	v, err := strconv.ParseFloat(string(first), 64)
	if err != nil {
		return nil
	}
	return &v
}

// modelIn finds the name of the processor in a /proc/cpuinfo.
func modelIn(text string) string {
	lines := strings.Split(text, "\n")
	for _, key := range []string{"model name", "Model", "Hardware"} {
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, key) })
		if i < 0 {
			continue
		}
		if _, name, ok := strings.Cut(lines[i], ":"); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}
