// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// Short is a record in a few words.
func (r Record) Short() string {
	if r.Error != "" {
		return "failed: " + r.Error
	}
	s := ""
	if r.P50 > 0 {
		s = micros(r.P50) + ", "
	}
	s += fmt.Sprintf("%s/s, %s cpu", perSecond(r.PerSecond), micros(r.CPU))
	if r.Lost > 0.001 {
		s += fmt.Sprintf(", %.0f %% lost", r.Lost*100)
	}
	if r.Foreign > 0.25 {
		s += fmt.Sprintf(", others used %.0f %%", r.Foreign*100)
	}
	return s
}

// Plain is the result for a terminal.
func Plain(r *Run) string {
	var out strings.Builder
	for _, t := range r.tables() {
		fmt.Fprintf(&out, "\n%s, %s: %s\n", t.row.Title, t.scheme, t.row.unit())
		w := tabwriter.NewWriter(&out, 2, 0, 2, ' ', 0)
		for _, c := range t.cells {
			f := t.row.format()
			fmt.Fprintf(w, "  %s\t%s\t[%s–%s]\t%s × plexus\t%s × floor\t%s cpu\t%s\n", c.label, f(c.figure.median), f(c.figure.low), f(c.figure.high),
				times(c.toOurs), times(c.toFloor), micros(c.cpu), strings.Join(c.remarks(), "; "))
		}
		_ = w.Flush() // into memory
		for _, rec := range t.failed {
			fmt.Fprintf(&out, "  %s failed: %s\n", rec.System, rec.Error)
		}
	}
	return out.String()
}

func times(v float64) string {
	if v == 0 {
		return "–"
	}
	return digits(v)
}

// remarks say what the figures do not.
func (c *cell) remarks() []string {
	var all []string
	if c.states != "" {
		all = append(all, c.states)
	}
	if c.lost > 0.001 {
		all = append(all, fmt.Sprintf("%.0f %% lost", c.lost*100))
	}
	return all
}

// Markdown is the result for a page: machine, summary, plots, all tables, who took part.
func Markdown(r *Run) string {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }
	m := r.Machine
	p("Measured %s, %d rounds, with `%s` at commit `%s`.\n\n", r.Date, r.Rounds, r.Command, orDash(r.Commit))
	p("Machine: %d × %s, %s, %s, %s. %s\n\n", m.Cores, orDash(m.CPU), orDash(m.Memory), m.System, m.Go, r.conditions())
	tables := r.tables()
	p("### Summary\n\n")
	r.summary(&out, tables)
	for _, name := range []string{"direct-unix", "hub-unix", "direct-tcp", "hub-tcp", "direct-shm", "hub-shm"} {
		if _, ok := Plots(r)[name+".svg"]; ok {
			p("\n![%s](plots/%s.svg)\n", strings.ReplaceAll(name, "-", " over "), name)
		}
	}
	for _, scheme := range []string{"unix", "tcp", "shm"} {
		first := true
		for _, t := range tables {
			if t.scheme != scheme {
				continue
			}
			if first {
				p("\n### Over %s\n", scheme)
				first = false
			}
			t.markdown(&out)
		}
	}
	p("\n### Who took part\n\n| system | version | how |\n|---|---|---|\n")
	for _, s := range r.Systems {
		p("| %s | %s | %s |\n", s.Name, orDash(s.Version), s.About)
	}
	r.absences(&out)
	return out.String()
}

// absences tells who is missing where, and why.
func (r *Run) absences(out *strings.Builder) {
	var lines []string
	for _, s := range r.Skipped {
		who := s.System
		if s.Where != "" {
			who += ", " + s.Where
		}
		lines = append(lines, fmt.Sprintf("- %s: %s", who, strings.ReplaceAll(s.Reason, "\n", " ")))
	}
	for _, s := range r.Systems {
		for _, pattern := range []string{lab.Calls, lab.Streams} {
			if why := s.Cannot[pattern]; why != "" {
				lines = append(lines, fmt.Sprintf("- %s, %s: %s", s.Name, pattern, why))
			}
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(out, "\n### Who did not, or not everywhere\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// conditions tells of the probe, and of what else ran.
func (r *Run) conditions() string {
	var probes, foreign []float64
	repeated := 0
	for _, rec := range r.Records {
		if rec.Probe > 0 {
			probes = append(probes, rec.Probe)
		}
		if rec.Repeated {
			repeated++
		}
		foreign = append(foreign, rec.Foreign*100)
	}
	p, f := spreadOf(probes), spreadOf(foreign)
	return fmt.Sprintf("Spin probe: %.0f ns [%.0f–%.0f]; %d of %d runs were made again because it changed. Other processes used %.0f %% of the machine [%.0f–%.0f].",
		p.median, p.low, p.high, repeated, len(r.Records), f.median, f.low, f.high)
}

// summary sets Plexus beside the floor and the fastest of the others.
func (r *Run) summary(out *strings.Builder, tables []table) {
	out.WriteString("| work | transport | plexus | floor | share of the floor | CPU, floor = 1 | allocations | fastest other | plexus is × as fast |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, t := range tables {
		ours, floor := t.find(Ours), t.find(Floor)
		if ours == nil {
			continue
		}
		f := t.row.format()
		line := []string{t.row.Title, t.scheme, "**" + f(ours.figure.median) + "**", "–", "–", "–", "", "–", "–"}
		if floor != nil {
			line[3], line[4] = f(floor.figure.median), times(ours.toFloor)
			if floor.cpu > 0 {
				line[5] = times(ours.cpu / floor.cpu)
			}
		}
		if ours.allocs >= 0 {
			line[6] = digits(ours.allocs)
		}
		i := slices.IndexFunc(t.cells, func(c cell) bool { return c.system != Ours && c.system != Floor })
		if i >= 0 && t.cells[i].toOurs > 0 {
			line[7], line[8] = t.cells[i].label+" "+f(t.cells[i].figure.median), times(1/t.cells[i].toOurs)
		}
		if i >= 0 && t.cells[i].toOurs == 0 { // measured on another transport
			a, b := ours.figure.median, t.cells[i].figure.median
			if t.row.ByLatency {
				a, b = b, a
			}
			line[7], line[8] = t.cells[i].label+" "+f(t.cells[i].figure.median), times(a/b)
		}
		fmt.Fprintf(out, "| %s |\n", strings.Join(line, " | "))
	}
}

func (t *table) markdown(out *strings.Builder) {
	fmt.Fprintf(out, "\n**%s**, %s:\n\n", t.row.Title, t.row.unit())
	head := "| system | median | min–max | speed, plexus = 1 | speed, floor = 1 |"
	if t.row.ByLatency || t.row.Callers > 1 {
		head += " p99 |"
	}
	if t.row.ByLatency && t.row.Bytes >= 1<<20 {
		head += " MiB/s |"
	}
	head += " CPU | allocations | |"
	fmt.Fprintf(out, "%s\n%s|\n", head, strings.Repeat("|---", strings.Count(head, "|")-1))
	f := t.row.format()
	for _, c := range t.cells {
		name := c.label
		if c.system == Ours {
			name = "**" + name + "**"
		}
		fmt.Fprintf(out, "| %s | %s | %s – %s | %s | %s |", name, f(c.figure.median), f(c.figure.low), f(c.figure.high), times(c.toOurs), times(c.toFloor))
		if t.row.ByLatency || t.row.Callers > 1 {
			fmt.Fprintf(out, " %s |", micros(c.p99))
		}
		if t.row.ByLatency && t.row.Bytes >= 1<<20 {
			fmt.Fprintf(out, " %.0f |", c.rate*float64(t.row.Bytes)/(1<<20))
		}
		allocs := ""
		if c.allocs >= 0 {
			allocs = digits(c.allocs)
		}
		fmt.Fprintf(out, " %s | %s | %s |\n", micros(c.cpu), allocs, strings.Join(c.remarks(), "; "))
	}
	for _, rec := range t.failed {
		fmt.Fprintf(out, "\n%s failed: %s\n", rec.System, rec.Error)
	}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
