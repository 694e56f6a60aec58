// SPDX-License-Identifier: Apache-2.0

// Package report turns the rounds of a comparison into tables, Markdown and plots.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// Row is one kind of work.
type Row struct {
	ID, Title   string
	Pattern     string
	Hub         bool
	Callers     int
	Bytes       int
	Subscribers int
	ByLatency   bool // the figure is the median latency, else the rate
}

// Rows are all kinds of work, in the order of the tables.
var Rows = []Row{
	{ID: "call-1", Title: "Call, 64 B, one caller", Pattern: lab.Calls, Callers: 1, Bytes: 64, ByLatency: true},
	{ID: "call-64", Title: "Call, 64 B, 64 callers on one connection", Pattern: lab.Calls, Callers: 64, Bytes: 64},
	{ID: "stream", Title: "Stream of 64 B messages to the caller", Pattern: lab.Streams, Callers: 1, Bytes: 64},
	{ID: "call-1MiB", Title: "Call, 1 MiB there and back", Pattern: lab.Calls, Callers: 1, Bytes: 1 << 20, ByLatency: true},
	{ID: "loan-1MiB", Title: "1 MiB filled, lent and read in place", Pattern: lab.Loans, Callers: 1, Bytes: 1 << 20, ByLatency: true},
	{ID: "hub-1", Title: "Call through a hub, 64 B, one caller", Pattern: lab.Calls, Hub: true, Callers: 1, Bytes: 64, ByLatency: true},
	{ID: "hub-64", Title: "Call through a hub, 64 B, 64 callers", Pattern: lab.Calls, Hub: true, Callers: 64, Bytes: 64},
	{ID: "publish-1", Title: "Publish 64 B to one subscriber", Pattern: lab.Pubs, Hub: true, Callers: 1, Bytes: 64, Subscribers: 1},
	{ID: "publish-8", Title: "Publish 64 B to eight subscribers", Pattern: lab.Pubs, Hub: true, Callers: 1, Bytes: 64, Subscribers: 8},
	{ID: "publish-1K-1", Title: "Publish 1 KiB to one subscriber", Pattern: lab.Pubs, Hub: true, Callers: 1, Bytes: 1024, Subscribers: 1},
	{ID: "publish-1K-8", Title: "Publish 1 KiB to eight subscribers", Pattern: lab.Pubs, Hub: true, Callers: 1, Bytes: 1024, Subscribers: 8},
}

// Need is the pattern that a system must have for the row, see lab.Description.
func (row *Row) Need() string {
	if row.Hub {
		return "hub " + row.Pattern
	}
	return row.Pattern
}

// Record is one run.
type Record struct {
	Round     int     `json:"round"`
	Row       string  `json:"row"`
	Scheme    string  `json:"scheme"`
	System    string  `json:"system"`
	P50       float64 `json:"p50_us,omitempty"`
	P99       float64 `json:"p99_us,omitempty"`
	PerSecond float64 `json:"per_second,omitempty"`
	CPU       float64 `json:"cpu_us_per_op,omitempty"` // of all processes
	// Allocs are per call, both ends; nil if they were not counted.
	Allocs *float64 `json:"allocs_per_op,omitempty"`
	// Lost is the share of publications that did not arrive.
	Lost float64 `json:"lost,omitempty"`
	// Foreign is the share of all cores that other processes used meanwhile.
	Foreign float64 `json:"foreign"`
	// Probe is the spin probe before the set that this run was part of, in nanoseconds.
	Probe float64 `json:"probe_ns"`
	// Repeated says that the probe changed during the set, so that it was done again.
	Repeated bool   `json:"repeated,omitempty"`
	Error    string `json:"error,omitempty"`
}

// Skip is a system that does not take part, or not in some rows.
type Skip struct {
	System string `json:"system"`
	Where  string `json:"where,omitempty"` // rows and transport, "" for everywhere
	Reason string `json:"reason"`
}

// Machine is where the runs were made.
type Machine struct {
	System string `json:"system"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory,omitempty"`
	Go     string `json:"go"`
}

// Run is a whole comparison.
type Run struct {
	Date    string            `json:"date"`
	Command string            `json:"command"`
	Commit  string            `json:"commit,omitempty"`
	Rounds  int               `json:"rounds"`
	Machine Machine           `json:"machine"`
	Systems []lab.Description `json:"systems"`
	Skipped []Skip            `json:"skipped"`
	Records []Record          `json:"records"`
}

// Load reads what Save wrote.
func Load(name string) (*Run, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := &Run{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// Save writes a run as JSON, one record a line.
func (r *Run) Save(name string) error {
	head := *r
	head.Records = nil
	b, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString(strings.TrimSuffix(string(b), "null\n}"))
	text.WriteString("[\n")
	for i, record := range r.Records {
		line, err := json.Marshal(record)
		if err != nil {
			return err
		}
		text.Write(line)
		if i < len(r.Records)-1 {
			text.WriteByte(',')
		}
		text.WriteByte('\n')
	}
	text.WriteString("]}\n")
	return os.WriteFile(name, []byte(text.String()), 0o644)
}
