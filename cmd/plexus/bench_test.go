// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// rowFields are what every row of "plexus bench -o json" has.
var rowFields = []string{
	"pattern", "route", "transport", "callers", "bytes", "p50_us", "p99_us", "per_second", "mib_per_second",
	"cpu_us_per_op", "allocs_per_op", "rw_calls_per_op",
}

// benchReport is what "plexus bench -o json" prints, with what a case is by its name.
type benchReport struct {
	Machine map[string]any
	Results []map[string]any
	Skipped []map[string]any
	Advice  []string
}

// runBench runs the benchmark, which must end well and leave nothing.
func runBench(t *testing.T, args ...string) benchReport {
	t.Helper()
	p, err := startProcess(demoEnv(t), "", append([]string{"bench", "-o", "json"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	code, err := p.wait()
	if err != nil || code != exitOK {
		t.Fatal(code, err, p.output())
	}
	var r benchReport
	if err := json.Unmarshal([]byte(p.output()), &r); err != nil {
		t.Fatal(err, p.output())
	}
	nothingLeft(t, "bench")
	return r
}

// checkRow wants all fields, and figures in those that are measured.
func checkRow(t *testing.T, row map[string]any) {
	t.Helper()
	for _, name := range rowFields {
		v, ok := row[name]
		if !ok {
			t.Fatalf("%s is missing in %v", name, row)
		}
		optional := runtime.GOOS != "linux" && (name == "cpu_us_per_op" || name == "rw_calls_per_op")
		if n, isNumber := v.(float64); isNumber && n <= 0 && name != "allocs_per_op" && name != "rw_calls_per_op" && name != "cpu_us_per_op" {
			t.Errorf("%s is %v in %v", name, v, row)
		} else if v == nil && !optional {
			t.Errorf("%s is null in %v", name, row)
		}
	}
}

// TestBench: every pattern, both routes, processes of their own.
func TestBench(t *testing.T) {
	r := runBench(t, "--quick", "--transport", "unix", "--size", "64", "--callers", "1,3", "--rounds", "1", "--count", "60")
	var names []string
	for _, row := range r.Results {
		checkRow(t, row)
		names = append(names, strings.Join([]string{row["route"].(string), row["pattern"].(string), row["transport"].(string)}, " "))
	}
	slices.Sort(names)
	want := []string{
		"direct call unix", "direct call unix", "direct publish unix", "direct publish unix", "direct stream unix",
		"hub call unix", "hub call unix", "hub publish unix", "hub publish unix", "hub stream unix",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if r.Machine["cores"] == nil || r.Machine["go"] == nil || len(r.Advice) == 0 || len(r.Skipped) != 0 {
		t.Errorf("%v %v %v", r.Machine, r.Advice, r.Skipped)
	}
}

// TestBenchTransports: each works with messages of several frames, with buffers asked for;
// what this machine has not is left out with a reason.
func TestBenchTransports(t *testing.T) {
	r := runBench(t, "--size", "256K", "--callers", "2", "--rounds", "1", "--count", "8", "--socket-buffer", "128K")
	seen := map[string]int{}
	for _, row := range r.Results {
		checkRow(t, row)
		if row["socket_buffer"] != "128K" {
			t.Errorf("no buffer in %v", row)
		}
		seen[row["transport"].(string)]++
	}
	for _, s := range r.Skipped {
		if s["reason"] == "" || s["case"] != nil {
			t.Errorf("left out: %v", s)
		}
		seen[s["transport"].(string)] = -1
	}
	for _, scheme := range []string{"unix", "tcp", "tls"} { // three patterns, direct and hub
		if seen[scheme] != 6 {
			t.Errorf("%d rows of %s", seen[scheme], scheme)
		}
	}
}

// TestBenchInterrupted: wherever it is, it leaves nothing behind.
func TestBenchInterrupted(t *testing.T) {
	p, err := startProcess(demoEnv(t), "", "bench", "--transport", "unix", "--route", "hub", "--pattern", "publish")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	awaitFile(t, filepath.Join(os.TempDir(), "plexus-bench-*", "s"))
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	code, err := p.wait()
	if err != nil || code != exitInterrupted {
		t.Error(code, err, p.output())
	}
	nothingLeft(t, "bench")
}

// TestBenchKilled: not even a parent that is killed leaves processes, and who listens sees
// to the files.
func TestBenchKilled(t *testing.T) {
	p, err := startProcess(demoEnv(t), "", "bench", "--transport", "unix", "--pattern", "call", "--callers", "64")
	if err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(os.TempDir(), "plexus-bench-*", "s"))
	p.kill() // returns when nobody holds its stderr any more: no child is left
	nothingLeft(t, "bench")
}
