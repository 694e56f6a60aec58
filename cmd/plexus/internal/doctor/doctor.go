// SPDX-License-Identifier: Apache-2.0

// Package doctor is "plexus doctor": it looks at the limits of this machine that matter to
// Plexus, and says what each means and how to change it. It changes nothing itself, and
// removes nothing.
//
// A check (limits.go, memory.go, cores.go, folder.go) is a function of a System, which is
// what it may ask: the real one is in system*.go, tests have their own.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/machine"
	"github.com/plexus-ipc/plexus/status"
)

// Verdict says what to think of a value.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Better  Verdict = "could be better" // it works, and could work better
	Problem Verdict = "problem"         // something does not work
)

// Check is one thing that was looked at.
type Check struct {
	Name    string  `json:"name"`
	Value   string  `json:"value"`
	Verdict Verdict `json:"verdict"`
	Meaning string  `json:"meaning"`
	Command string  `json:"command,omitempty"` // what changes it; "" where nothing does, or need be done
}

// Report is all that was looked at.
type Report struct {
	Machine  machine.Machine `json:"machine"`
	Checks   []Check         `json:"checks"`
	OK       int             `json:"ok"`
	Better   int             `json:"could_be_better"`
	Problems int             `json:"problems"`
}

// all are the checks, in the order of the report.
var all = []func(*System) []Check{
	kernel, cores, procs, quota, clock, yield,
	descriptors, unixSockets, buffers, spaces, backlog, loopback,
	credentials, passing, memfd, sharedFolder, memoryLimit, locked, queues,
	folder, leftovers,
}

// Examine looks at a system. version is that of the program.
func Examine(s *System, version string) *Report {
	r := &Report{Machine: machine.Describe(version), Checks: []Check{}}
	for _, f := range all {
		for _, c := range f(s) {
			r.Checks = append(r.Checks, c)
			switch c.Verdict {
			case OK:
				r.OK++
			case Better:
				r.Better++
			case Problem:
				r.Problems++
			}
		}
	}
	return r
}

// Err is an error with status.Failed if there is a problem.
func (r *Report) Err() error {
	if r.Problems == 0 {
		return nil
	}
	var names []string
	for _, c := range r.Checks {
		if c.Verdict == Problem {
			names = append(names, c.Name)
		}
	}
	return status.Errorf(status.Failed, "there is a problem with: %s", strings.Join(names, ", "))
}

// Print prints the report: as one JSON object, or for people, to whom it explains what
// could be better, or everything.
func (r *Report) Print(w io.Writer, asJSON, everything bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Verdict, c.Name, c.Value)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, v := range []Verdict{Problem, Better, OK} {
		for _, c := range r.Checks {
			if c.Verdict == v && (v != OK || everything) {
				fmt.Fprintf(&b, "\n%s: %s (%s)\n", c.Name, c.Value, c.Verdict)
				c.explain(&b)
			}
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d could be better, %d problems", r.OK, r.Better, r.Problems)
	if !everything {
		b.WriteString("; plexus doctor --explain tells what each means")
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Check) explain(b *strings.Builder) {
	const width = 96
	line := "  "
	for _, word := range strings.Fields(c.Meaning) {
		if len([]rune(line))+1+len([]rune(word)) > width {
			b.WriteString(line + "\n")
			line = "  "
		}
		if line != "  " {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	if c.Command != "" {
		how := "To change it: "
		if c.Verdict == OK {
			how = "It could be changed by: "
		}
		b.WriteString("  " + how + c.Command + "\n")
	}
}
