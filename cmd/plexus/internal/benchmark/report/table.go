// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// table prints the report for people: the machine, a table per pattern and route, what was
// left out, and what the figures say.
func (r *Report) table(w io.Writer) error {
	var b strings.Builder
	r.head(&b)
	rows := slices.Clone(r.Results)
	for _, group := range groups(rows) {
		printGroup(&b, group)
	}
	r.leftOut(&b)
	if len(r.Advice) > 0 {
		b.WriteString("\nWhat the figures say\n\n")
	}
	for _, a := range r.Advice {
		b.WriteString(wrap("- "+a, "  "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) head(b *strings.Builder) {
	m := &r.Machine
	fmt.Fprintf(b, "%s, %d cores", cmp.Or(m.CPU, "unknown processor"), m.Cores)
	if m.SMT > 1 {
		fmt.Fprintf(b, " (%d share one)", m.SMT)
	}
	fmt.Fprintf(b, "; %s %s %s; %s; %d rounds, %.0f s\n", m.OS, m.Kernel, m.Arch, m.Go, r.Rounds, r.Seconds)
	if m.Load != nil {
		fmt.Fprintf(b, "load before: %.2f\n", *m.Load)
	}
}

// groups cuts rows where pattern, route or callers change. The transports of a case stand
// together, the sizes go up.
func groups(rows []Row) [][]Row {
	var all [][]Row
	for _, row := range rows {
		if n := len(all); n > 0 && sameGroup(&all[n-1][0], &row) {
			all[n-1] = append(all[n-1], row)
			continue
		}
		all = append(all, []Row{row})
	}
	return all
}

func sameGroup(a, b *Row) bool {
	return a.Pattern == b.Pattern && a.Route == b.Route && a.Callers == b.Callers
}

// titleOf says what a group's rows have in common.
func titleOf(r *Row) string {
	how := map[string]string{Direct: "direct", Hub: "through the hub"}[r.Route]
	switch r.Pattern {
	case Stream:
		return "stream, " + how
	case Publish:
		return fmt.Sprintf("publish 1→%d, %s", r.Callers, how)
	}
	if r.Callers == 1 {
		return "call, 1 caller, " + how
	}
	return fmt.Sprintf("call, %d callers on one connection, %s", r.Callers, how)
}

func printGroup(b *strings.Builder, group []Row) {
	fmt.Fprintf(b, "\n%s\n\n", titleOf(&group[0]))
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "bytes\ttransport\tp50 µs\tp99 µs\tper second\tMiB/s\tCPU µs/op\tallocs/op\trw calls/op\t")
	for i := range group {
		r := &group[i]
		name := r.Transport
		if r.Buffer != "" {
			name += " " + r.Buffer
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", SizeText(r.Bytes), name, number(r.P50), number(r.P99),
			number(r.PerSecond), number(r.MiBPerSecond), orDash(r.CPU), number(r.Allocs), orDash(r.Calls))
	}
	_ = t.Flush() // into memory
}

func orDash(v *float64) string {
	if v == nil {
		return "-"
	}
	return number(*v)
}

// number writes a figure with three digits or so.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'f', 2, 64) + "M"
	case v >= 1e5:
		return strconv.FormatFloat(v/1e3, 'f', 0, 64) + "k"
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 0.005:
		return "0"
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// leftOut says what was not measured. A transport that does not exist here says so once.
func (r *Report) leftOut(b *strings.Builder) {
	if len(r.Skipped) == 0 {
		return
	}
	b.WriteString("\nNot measured\n\n")
	told := map[Skipped]bool{}
	for _, s := range r.Skipped {
		where := s.Transport
		if s.Case != "" {
			where += " (" + s.Route + ") from “" + s.Case + "” on"
		}
		if s.Buffer != "" {
			where += ", buffers " + s.Buffer
		}
		key := s
		if s.Case == "" {
			key.Route = "" // it does not exist here, on no route
		}
		if told[key] {
			continue
		}
		told[key] = true
		b.WriteString(wrap("- "+where+": "+s.Reason, "  "))
	}
}

// wrap breaks a text into lines, of which all but the first begin with indent.
func wrap(text, indent string) string {
	const width = 100
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(text) {
		length := len([]rune(word))
		switch {
		case i == 0:
		case n+1+length > width:
			b.WriteString("\n" + indent)
			n = len(indent)
		default:
			b.WriteString(" ")
			n++
		}
		b.WriteString(word)
		n += length
	}
	b.WriteString("\n")
	return b.String()
}
