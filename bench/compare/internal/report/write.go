// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/plexus-ipc/plexus/bench/compare/internal/plot"
)

// Marks of the section that Write replaces.
const (
	beginMark = "<!-- compare: begin -->"
	endMark   = "<!-- compare: end -->"
)

// Write writes benchmarks.json, plots/*.svg and the marked section of benchmarks.md into a
// folder. A benchmarks.md that is not there is made.
func Write(r *Run, folder string) error {
	plots := filepath.Join(folder, "plots")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	if err := r.Save(filepath.Join(folder, "benchmarks.json")); err != nil {
		return err
	}
	for name, text := range Plots(r) {
		if err := os.WriteFile(filepath.Join(plots, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	page := filepath.Join(folder, "benchmarks.md")
	old, err := os.ReadFile(page)
	if os.IsNotExist(err) {
		old, err = []byte("# Benchmarks\n\n"+beginMark+"\n"+endMark+"\n"), nil
	}
	if err != nil {
		return err
	}
	text := string(old)
	before, rest, begins := strings.Cut(text, beginMark)
	_, after, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return fmt.Errorf("%s has no lines %s and %s", page, beginMark, endMark)
	}
	return os.WriteFile(page, []byte(before+beginMark+"\n\n"+Markdown(r)+"\n"+endMark+after), 0o644)
}

// figures are the plots: which rows stand together.
var figures = []struct {
	name, title string
	rows        []string
}{
	{"direct", "Two processes", []string{"call-1", "call-64", "stream", "call-1MiB", "loan-1MiB"}},
	{"hub", "Three processes: through a hub or a broker", []string{"hub-1", "hub-64", "publish-1", "publish-8", "publish-1K-1", "publish-1K-8"}},
}

// Plots draws all figures, by file name.
func Plots(r *Run) map[string]string {
	all := map[string]string{}
	for _, f := range figures {
		for _, scheme := range []string{"unix", "tcp", "shm"} {
			var panels []plot.Panel
			for _, id := range f.rows {
				for _, row := range Rows {
					if row.ID == id {
						t := r.table(row, scheme)
						panels = append(panels, t.panel())
					}
				}
			}
			if text := plot.SVG(f.title+" over "+scheme, panels); text != "" {
				all[f.name+"-"+scheme+".svg"] = text
			}
		}
	}
	return all
}

func (t *table) panel() plot.Panel {
	p := plot.Panel{Title: t.row.Title, Note: t.row.unit(), Format: t.row.format()}
	for _, c := range t.cells {
		kind := plot.Other
		switch c.system {
		case Ours:
			kind = plot.Ours
		case Floor:
			kind = plot.Floor
		}
		p.Bars = append(p.Bars, plot.Bar{Name: c.label, Value: c.figure.median, Low: c.figure.low, High: c.figure.high, Kind: kind})
	}
	return p
}

// unit says what the figure of a row is.
func (row *Row) unit() string {
	switch {
	case row.ByLatency:
		return "median round trip, less is better"
	case row.Pattern == "publish":
		return "messages delivered per second, more is better"
	case row.Pattern == "stream":
		return "messages per second, more is better"
	}
	return "calls per second, more is better"
}

// format prints a figure of a row.
func (row *Row) format() func(float64) string {
	if row.ByLatency {
		return micros
	}
	return perSecond
}

func micros(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 999.5:
		return digits(v/1000) + " ms"
	}
	return digits(v) + " µs"
}

func perSecond(v float64) string {
	switch {
	case v >= 1e6:
		return digits(v/1e6) + " M"
	case v >= 1e3:
		return digits(v/1e3) + " k"
	}
	return digits(v)
}

// digits prints about three digits of a number.
func digits(v float64) string {
	switch {
	case v >= 99.95 || v == float64(int(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
