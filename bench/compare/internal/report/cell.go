// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// spread is what several rounds say of one thing.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	m := v[len(v)/2]
	if len(v)%2 == 0 {
		m = (m + v[len(v)/2-1]) / 2
	}
	return spread{m, v[0], v[len(v)-1]}
}

// cell is one system at one kind of work on one transport.
type cell struct {
	system, label   string
	figure          spread // latency in µs or operations per second, see Row.ByLatency
	p99, rate, cpu  float64
	allocs          float64 // -1 if they were not counted
	lost            float64
	toOurs, toFloor float64 // speed: how many times as fast; 0 if there is no such figure
	states          string  // where it has two
}

// figureOf is the figure of a record, the one that systems are compared by.
func figureOf(r Record, row *Row) float64 {
	if row.ByLatency {
		return r.P50
	}
	return r.PerSecond
}

// table is one kind of work on one transport, the fastest first.
type table struct {
	row    Row
	scheme string
	cells  []cell
	failed []Record // one for each system that has no cell
}

func (t *table) find(system string) *cell {
	for i := range t.cells {
		if t.cells[i].system == system {
			return &t.cells[i]
		}
	}
	return nil
}

// Names of the systems that others are compared with.
const (
	Ours  = "plexus"
	Floor = "floor"
)

// Brokers that speak TCP only stand in the tables of unix as well, marked: who takes them
// has nothing else.
const borrowed = " (tcp)"

// tables makes all tables that have something in them.
func (r *Run) tables() []table {
	var all []table
	for _, scheme := range []string{"unix", "tcp", "shm"} {
		for _, row := range Rows {
			if t := r.table(row, scheme); len(t.cells) > 0 {
				all = append(all, t)
			}
		}
	}
	return all
}

func (r *Run) table(row Row, scheme string) table {
	t := table{row: row, scheme: scheme}
	rounds := func(system, scheme string) map[int]Record {
		good := map[int]Record{}
		for _, rec := range r.Records {
			if rec.Row == row.ID && rec.Scheme == scheme && rec.System == system && rec.Error == "" && !rec.Repeated {
				good[rec.Round] = rec
			}
		}
		return good
	}
	ours, floor := rounds(Ours, scheme), rounds(Floor, scheme)
	for _, s := range r.Systems {
		from, label := scheme, s.Name
		if scheme == "unix" && !slices.Contains(s.Schemes, scheme) && row.Hub && slices.Contains(s.Schemes, "tcp") {
			from, label = "tcp", s.Name+borrowed
		}
		good := rounds(s.Name, from)
		if len(good) == 0 {
			for _, rec := range r.Records {
				if rec.Row == row.ID && rec.Scheme == scheme && rec.System == s.Name && rec.Error != "" {
					t.failed = append(t.failed, rec)
					break
				}
			}
			continue
		}
		t.cells = append(t.cells, makeCell(s.Name, label, &row, good, ours, floor))
	}
	slices.SortStableFunc(t.cells, func(a, b cell) int {
		if row.ByLatency {
			return cmp.Compare(a.figure.median, b.figure.median)
		}
		return cmp.Compare(b.figure.median, a.figure.median)
	})
	return t
}

func makeCell(system, label string, row *Row, good, ours, floor map[int]Record) cell {
	c := cell{system: system, label: label, allocs: -1}
	collect := func(f func(Record) float64) []float64 {
		var v []float64
		for _, rec := range good {
			v = append(v, f(rec))
		}
		return v
	}
	figures := collect(func(r Record) float64 { return figureOf(r, row) })
	c.figure = spreadOf(figures)
	c.states = states(figures, row)
	c.p99 = spreadOf(collect(func(r Record) float64 { return r.P99 })).median
	c.rate = spreadOf(collect(func(r Record) float64 { return r.PerSecond })).median
	c.cpu = spreadOf(collect(func(r Record) float64 { return r.CPU })).median
	c.lost = spreadOf(collect(func(r Record) float64 { return r.Lost })).median
	if counted := collect(func(r Record) float64 {
		if r.Allocs == nil {
			return -1
		}
		return *r.Allocs
	}); slices.Min(counted) >= 0 {
		c.allocs = spreadOf(counted).median
	}
	c.toOurs, c.toFloor = speed(row, good, ours), speed(row, good, floor)
	return c
}

// speed is how many times as fast one is as the other: the median of the rounds' ratios,
// so that what slows a whole round down does not count.
func speed(row *Row, of, than map[int]Record) float64 {
	var ratios []float64
	for round, a := range of {
		b, ok := than[round]
		if x, y := figureOf(a, row), figureOf(b, row); ok && x > 0 && y > 0 {
			if row.ByLatency {
				x, y = y, x
			}
			ratios = append(ratios, x/y)
		}
	}
	return spreadOf(ratios).median
}

// apart is the ratio between neighbours from which on there are two states.
const apart = 1.4

// states tells of two groups of rounds with nothing between them, each of at least two.
func states(values []float64, row *Row) string {
	v := slices.Sorted(slices.Values(values))
	for i := 2; i <= len(v)-2; i++ {
		low, high := v[:i], v[i:]
		hole := v[i] / math.Max(v[i-1], 1e-9)
		if hole >= apart && hole > low[len(low)-1]/low[0] && hole > high[len(high)-1]/high[0] {
			f := row.format()
			return fmt.Sprintf("two states: %s (%d of %d) and %s", f(spreadOf(low).median), len(low), len(v), f(spreadOf(high).median))
		}
	}
	return ""
}
