// SPDX-License-Identifier: Apache-2.0

package report

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// weather is a report as a run makes it.
func weather() *Report {
	r := &Report{Order: []string{"unix", "unixpacket", "tcp", "tls"}}
	for _, x := range []struct {
		transport string
		factor    float64
	}{{"unix", 1}, {"unixpacket", 0.95}, {"tcp", 1.5}, {"tls", 2}} {
		for _, route := range []string{Direct, Hub} {
			f := x.factor
			if route == Hub {
				f *= 4
			}
			row := func(pattern string, callers, bytes int, p50, rate float64) {
				r.Results = append(r.Results, Row{Pattern: pattern, Route: route, Transport: x.transport, Callers: callers, Bytes: bytes, P50: f * p50, P99: 2 * f * p50, PerSecond: rate / f})
			}
			row(Call, 1, 64, 20, 50e3)
			row(Call, 64, 64, 100, 600e3)
			row(Call, 1, 1<<20, 400, 2500)
			row(Stream, 1, 64, 12, 2e6)
			row(Publish, 8, 64, 30, 1e5)
		}
	}
	busy := 3.0
	r.Machine.Load, r.Machine.Cores = &busy, 2
	return r
}

// TestAdvice: the words follow from the figures, and the figures stand in them.
func TestAdvice(t *testing.T) {
	r := weather()
	r.Finish(time.Second)
	all := strings.Join(r.Advice, "\n")
	for _, want := range []string{
		"use unix: a call of 64 bytes takes 20.0 µs (p50), p99 40.0 µs", "tcp 30.0 µs (1.5 ×)", "Keep tcp and tls for other machines",
		"A call with 1M there and back takes 400 µs over unix", "64 callers on one unix connection make 600k", "(12 ×)",
		"through the hub takes 80.0 µs over unix, a direct one 20.0 µs (4.0 ×)", "2.00M items", "8 subscribers directly", "8 subscribers through the hub",
		"TLS makes a call of 1M take 1.3 ×", "was busy before the run (load 3.0 on 2 cores)",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	for _, name := range []string{"tcp", "unixpacket"} { // clearly faster, or not
		r := weather()
		for i := range r.Results {
			if row := &r.Results[i]; row.Transport == name {
				row.PerSecond, row.P50 = row.PerSecond*10, row.P50/10
			}
		}
		if r.best() != name {
			t.Errorf("the best is %s", r.best())
		}
	}
	if empty := advise(&Report{}); len(empty) != 0 {
		t.Error(empty)
	}
}

func TestAdviceOnBuffers(t *testing.T) {
	var r Report
	for _, b := range []struct {
		name string
		rate float64
	}{{"default", 100}, {"64K", 101}, {"1M", 130}} {
		r.Results = append(r.Results, Row{Pattern: Call, Route: Direct, Transport: "unix", Buffer: b.name, Callers: 1, Bytes: 1 << 20, PerSecond: b.rate})
	}
	got := adviseBuffers(&r)
	if len(got) != 2 || !strings.Contains(got[0], "64K instead of default") || !strings.Contains(got[0], "leave them alone") || !strings.Contains(got[1], "unix 1M +30 %") {
		t.Errorf("%q", got)
	}
}

func TestTable(t *testing.T) {
	r := weather()
	r.Skipped = []Skipped{
		{Route: Direct, Transport: "shm", Reason: "not here"}, {Route: Hub, Transport: "shm", Reason: "not here"},
		{Route: Hub, Transport: "tls", Case: "call, 1 caller, 64", Reason: "it broke"},
	}
	r.Finish(time.Second)
	var b strings.Builder
	if err := r.Print(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"call, 64 callers on one connection, direct", "publish 1→8, through the hub", "- tls (hub) from “call, 1 caller, 64” on: it broke"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "not here"); n != 1 {
		t.Errorf("what does not exist is told %d times", n)
	}
	for v, want := range map[float64]string{0: "0", 0.004: "0", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 12345: "12345", 123456: "123k", 1234567: "1.23M"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

// TestReportIsStable: these names are for scripts.
func TestReportIsStable(t *testing.T) {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Row]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	want := []string{"pattern", "route", "transport", "socket_buffer", "callers", "bytes", "p50_us", "p99_us", "per_second", "mib_per_second", "cpu_us_per_op", "allocs_per_op", "rw_calls_per_op"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}
