// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Row is one line of the summary: one pattern over one route and transport.
type Row struct {
	Pattern   string            `json:"pattern"`
	Route     string            `json:"route"`
	Transport string            `json:"transport"`
	Count     int               `json:"count"`
	P50       time.Duration     `json:"p50_ns"`
	P99       time.Duration     `json:"p99_ns"`
	OK        bool              `json:"ok"`
	Why       string            `json:"why,omitempty"` // it is not
	Got       map[string]string `json:"got,omitempty"` // digests of results, to be compared
}

// meter collects durations of one pattern.
type meter struct{ d []time.Duration }

func (m *meter) since(t time.Time) { m.d = append(m.d, time.Since(t)) }

// percentile returns the duration that p percent of all are not longer than.
func (m *meter) percentile(p int) time.Duration {
	if len(m.d) == 0 {
		return 0
	}
	slices.Sort(m.d)
	return m.d[min(len(m.d)*p/100, len(m.d)-1)]
}

// verify compares what a row got with what is right.
func (r *Row) verify(want map[string]string) {
	for key, got := range r.Got {
		if want[key] != got {
			r.OK, r.Why = false, key+" is not what a direct computation gives"
		}
	}
	r.Got = nil
}

// printRows prints the table.
func printRows(w io.Writer, rows []Row) {
	const format = "%-20s %-7s %-10s %7v %8s %8s  %s\n"
	fmt.Fprintf(w, format, "pattern", "route", "transport", "count", "p50", "p99", "ok")
	for _, r := range rows {
		ok := "yes"
		if !r.OK {
			ok = "NO: " + r.Why
		}
		fmt.Fprintf(w, format, r.Pattern, r.Route, r.Transport, r.Count, short(r.P50), short(r.P99), ok)
	}
}

// short prints a duration with three digits or so.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Microsecond:
		return strings.TrimSpace(d.Round(10 * time.Nanosecond).String())
	case d < 10*time.Millisecond:
		return d.Round(time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
