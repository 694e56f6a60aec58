// SPDX-License-Identifier: Apache-2.0

// Package report is what a benchmark has found: rows, a table for people, and advice that
// follows from the rows.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/machine"
)

// Report is what a run has found.
type Report struct {
	Machine machine.Machine `json:"machine"`
	Results []Row           `json:"results"`
	Skipped []Skipped       `json:"skipped"`
	Advice  []string        `json:"advice"`
	Rounds  int             `json:"rounds"`
	// Order is that of the transports: of two that are about equal the first is advised.
	Order   []string `json:"-"`
	Seconds float64  `json:"seconds"`
}

// Row is one case of one transport: medians of the rounds.
//
// An operation is a call (there and back, the payload both ways), an item of a stream, or
// a publication (which every subscriber gets). P50 and P99 are those of the time of a call
// when all callers call at once; of streams and publications the time from send to receipt
// when one message goes at a time. MiBPerSecond counts the payload once per operation.
type Row struct {
	Pattern   string `json:"pattern"`
	Route     string `json:"route"`
	Transport string `json:"transport"`
	// Buffer is the size of the socket buffers, where that was a question.
	Buffer  string `json:"socket_buffer,omitempty"`
	Callers int    `json:"callers"` // subscribers of a publication; 1 for a stream
	Bytes   int    `json:"bytes"`

	P50          float64 `json:"p50_us"`
	P99          float64 `json:"p99_us"`
	PerSecond    float64 `json:"per_second"`
	MiBPerSecond float64 `json:"mib_per_second"`
	// CPU is the processor time of all processes, nil where the system does not tell.
	CPU    *float64 `json:"cpu_us_per_op"`
	Allocs float64  `json:"allocs_per_op"` // of all processes
	// Calls are the system calls of all processes that read or write, nil where the system
	// does not tell.
	Calls *float64 `json:"rw_calls_per_op"`
}

// Skipped is something that was not measured.
type Skipped struct {
	Route     string `json:"route"`
	Transport string `json:"transport"`
	Buffer    string `json:"socket_buffer,omitempty"`
	Case      string `json:"case,omitempty"` // "": none was measured
	Reason    string `json:"reason"`
}

// The patterns, and the routes.
const (
	Call    = "call"
	Stream  = "stream"
	Publish = "publish"

	Direct = "direct"
	Hub    = "hub"
)

// Case is what is measured for each transport.
type Case struct {
	Pattern string
	Callers int // of calls; subscribers of a publication; 1 for a stream
	Bytes   int // of payload
}

// String writes a case for people: "call, 64 callers, 1K".
func (k Case) String() string {
	switch {
	case k.Pattern == Stream:
		return fmt.Sprintf("%s, %s", k.Pattern, SizeText(k.Bytes))
	case k.Pattern == Publish:
		return fmt.Sprintf("%s 1→%d, %s", k.Pattern, k.Callers, SizeText(k.Bytes))
	case k.Callers == 1:
		return fmt.Sprintf("%s, 1 caller, %s", k.Pattern, SizeText(k.Bytes))
	}
	return fmt.Sprintf("%s, %d callers, %s", k.Pattern, k.Callers, SizeText(k.Bytes))
}

// SizeText writes a number of bytes: 64, 1K, 256K, 1M.
func SizeText(n int) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return strconv.Itoa(n>>30) + "G"
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + "M"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.Itoa(n>>10) + "K"
	}
	return strconv.Itoa(n)
}

// Finish adds what follows from the rows, and how long the run took.
func (r *Report) Finish(took time.Duration) {
	r.Seconds = float64(took.Milliseconds()) / 1e3
	if r.Results == nil {
		r.Results = []Row{}
	}
	if r.Skipped == nil {
		r.Skipped = []Skipped{}
	}
	r.Advice = advise(r)
}

// Print prints the report, as one JSON object or for people.
func (r *Report) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	return r.table(w)
}
