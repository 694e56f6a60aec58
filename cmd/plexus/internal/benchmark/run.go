// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/family"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/machine"
	"github.com/plexus-ipc/plexus/status"
)

// Verb is the hidden verb of the binary that plays a role.
const Verb = "bench-role"

// Times of the parent.
const (
	startPatience = 20 * time.Second // for children to be ready
	endPatience   = 5 * time.Second  // for a child to end
)

// Run measures, and prints the report. When it returns nothing is left of the run. It
// fails if nothing at all could be measured.
func Run(ctx context.Context, o Options) error {
	s, err := o.check()
	if err != nil {
		return err
	}
	r := &runner{o: &o, s: s, began: time.Now(), bar: newBar(o.Err, o.Progress), report: report.Report{Machine: machine.Describe(o.Version), Rounds: s.rounds, Order: Schemes()}}
	if r.task, err = newTask(); err != nil {
		return status.Errorf(status.Internal, "no certificate for the run: %w", err)
	}
	err = r.measure(ctx)
	r.bar.end()
	if err != nil {
		return err
	}
	r.report.Finish(time.Since(r.began))
	if err := r.report.Print(o.Out, o.JSON); err != nil {
		return err
	}
	if len(r.report.Results) == 0 {
		return status.Errorf(status.Failed, "nothing could be measured: see what was left out, and why")
	}
	return nil
}

// runner is one run, seen from the parent.
type runner struct {
	o      *Options
	s      *settings
	task   task
	began  time.Time
	bar    *bar
	slot   time.Duration
	report report.Report
}

// measure measures one route after the other.
func (r *runner) measure(ctx context.Context) error {
	cases := r.s.cases(r.o.Quick)
	r.bar.total = len(r.s.routes) * len(cases) * len(r.s.transports) * len(r.s.buffers) * r.s.rounds
	for _, route := range r.s.routes {
		if err := r.route(ctx, route, cases); err != nil {
			return err
		}
	}
	return nil
}

// route measures all transports on a route. Their processes live side by side, but only
// those of one work at a time.
func (r *runner) route(ctx context.Context, route string, cases []report.Case) (err error) {
	var all []*rig
	defer func() {
		for _, x := range all {
			err = errors.Join(err, x.end())
		}
	}()
	for _, scheme := range r.s.transports {
		for _, b := range r.s.buffers {
			x, err := r.start(ctx, route, scheme, b)
			if ctx.Err() != nil {
				return status.Convert(context.Cause(ctx))
			}
			if err != nil {
				r.skip(report.Skipped{Route: route, Transport: scheme, Buffer: b.name, Reason: err.Error()})
				r.bar.done(len(cases) * r.s.rounds)
				continue
			}
			all = append(all, x)
		}
	}
	r.slot = r.s.slotTime(len(r.s.routes)*len(cases)*len(all)*r.s.rounds, r.o.Quick)
	for _, k := range cases {
		if err := r.one(ctx, all, k); err != nil {
			return err
		}
	}
	return nil
}

// one measures a case on all rigs, round by round.
func (r *runner) one(ctx context.Context, all []*rig, k report.Case) error {
	samples := make(map[*rig][]sample, len(all))
	for range r.s.rounds {
		for _, x := range all {
			r.bar.show(x.route+" "+x.scheme, k)
			if !x.broken && !r.late() {
				got, err := x.measure(ctx, k, r.s.count, r.slot)
				if ctx.Err() != nil {
					return status.Convert(context.Cause(ctx))
				}
				if err != nil {
					r.skip(report.Skipped{Route: x.route, Transport: x.scheme, Buffer: x.buffer.name, Case: k.String(), Reason: err.Error()})
					x.broken = true
				} else {
					samples[x] = append(samples[x], got)
				}
			}
			r.bar.done(1)
		}
	}
	for _, x := range all {
		switch {
		case len(samples[x]) > 0:
			r.report.Results = append(r.report.Results, rowOf(x, k, samples[x]))
		case !x.broken:
			r.skip(report.Skipped{Route: x.route, Transport: x.scheme, Buffer: x.buffer.name, Case: k.String(), Reason: "the time was up: measure less, or ask for a number of --rounds"})
		}
	}
	return nil
}

// late reports whether the time of the run is up.
func (r *runner) late() bool { return r.s.limit > 0 && time.Since(r.began) > r.s.limit }

// skip remembers what is left out, once.
func (r *runner) skip(s report.Skipped) { r.report.Skipped = append(r.report.Skipped, s) }

// rig are the processes of one transport on one route.
type rig struct {
	route, scheme string
	buffer        buffer
	folder        string
	family        *family.Family
	children      []*family.Child // all, the load last
	load          *family.Child
	broken        bool                // a case has failed: the others are left out
	runs          map[report.Case]int // operations that fit a slot, found before
}

// start starts the processes of a transport. Its error is the reason why it cannot be
// measured here.
func (r *runner) start(ctx context.Context, route, scheme string, b buffer) (*rig, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	folder, err := os.MkdirTemp("", "plexus-bench-")
	if err != nil {
		return nil, err
	}
	x := &rig{route: route, scheme: scheme, buffer: b, folder: folder, runs: make(map[report.Case]int)}
	if x.family, err = family.New(Verb, r.o.Err); err == nil {
		err = x.launch(ctx, r.task)
	}
	if err != nil {
		err = reasonOf(err)
		if end := x.end(); end != nil {
			err = errors.Join(err, end)
		}
		private := strings.NewReplacer(folder, "…", filepath.Base(folder), "…") // it is gone, and was never of interest
		return nil, errors.New(private.Replace(err.Error()))
	}
	return x, nil
}

// launch starts one process after the other. The first listens.
func (x *rig) launch(ctx context.Context, t task) error {
	var err error
	t.Folder, t.Hub, t.Buffer = x.folder, x.route == report.Hub, x.buffer.bytes
	if t.Address, err = addressOf(x.scheme, x.folder); err != nil {
		return err
	}
	roles := []string{roleProvider, roleLoad}
	if t.Hub {
		roles = []string{roleHub, roleProvider, roleLoad}
	}
	for i, role := range roles {
		if i > 0 {
			t.Key = nil // who dials needs none
		}
		c, err := x.family.Start(role, t)
		if err != nil {
			return err
		}
		x.children = append(x.children, c)
		var n note
		if err := c.Next(ctx, &n); err != nil {
			return err
		}
		if i == 0 {
			t.Address = n.Address
		}
	}
	x.load = x.children[len(x.children)-1]
	return nil
}

// reasonOf is what a child says of its failure, without which process it was.
func reasonOf(err error) error {
	if f, ok := errors.AsType[*family.Failed](err); ok {
		return errors.New(f.Text)
	}
	return err
}

// end ends the processes and removes the folder.
func (x *rig) end() error {
	var err error
	if x.family != nil {
		err = x.family.End(endPatience)
	}
	return errors.Join(err, os.RemoveAll(x.folder))
}

// slotPatience is how long an order may take beyond its time: a machine that is busy with
// others must not fail a slot.
const slotPatience = time.Minute

// measure does one slot of a case.
func (x *rig) measure(ctx context.Context, k report.Case, count int, slot time.Duration) (sample, error) {
	if count == 0 { // else it takes as long as so many take
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, slot+slotPatience)
		defer cancel()
	}
	if err := x.order(ctx, order{Do: doPrepare, Case: k}, nil); err != nil {
		return sample{}, err
	}
	got, err := x.slot(ctx, k, count, shareOf(slot, k))
	if err == nil {
		err = x.order(ctx, order{Do: doFinish}, nil)
	}
	return got, err
}

func (x *rig) slot(ctx context.Context, k report.Case, count int, parts share) (sample, error) {
	s := sample{ops: count}
	var err error
	if s.ops, err = x.warmUp(ctx, k, count, parts); err != nil {
		return s, err
	}
	marks := make([][3]gauge, len(x.children))
	for i := range 2 {
		if err := x.mark(ctx, marks, i); err != nil {
			return s, err
		}
	}
	var n note
	if err := x.order(ctx, order{Do: doRun, Count: s.ops}, &n); err != nil {
		return s, err
	}
	if err := x.mark(ctx, marks, 2); err != nil {
		return s, err
	}
	s.took, s.p50, s.p99, s.used = n.Took, n.P50, n.P99, used(marks)
	if parts.delay > 0 {
		if err := x.order(ctx, order{Do: doDelay, Budget: parts.delay}, &n); err != nil {
			return s, err
		}
		s.p50, s.p99 = n.P50, n.P99
	}
	return s, nil
}

// warmUp runs until the speed is known, and returns how many operations to measure. A
// later round of a case begins with what an earlier one has found.
func (x *rig) warmUp(ctx context.Context, k report.Case, count int, parts share) (int, error) {
	n := max(k.Callers, 10)
	if known := x.runs[k]; known > 0 {
		n = max(int(float64(known)*float64(parts.warm)/float64(parts.run)), n)
	}
	if count > 0 {
		count = max(count, k.Callers)
		var got note
		return count, x.order(ctx, order{Do: doRun, Count: min(n, count)}, &got)
	}
	for {
		var got note
		if err := x.order(ctx, order{Do: doRun, Count: n}, &got); err != nil {
			return 0, err
		}
		if got.Took >= parts.warm/2 || n >= maxCount/4 {
			x.runs[k] = operations(n, got.Took, parts.run, k.Callers)
			return x.runs[k], nil
		}
		n = max(min(operations(n, got.Took, parts.warm, k.Callers), 16*n), n+1)
	}
}

// order has the load do something.
func (x *rig) order(ctx context.Context, o order, answer *note) error {
	if answer == nil {
		answer = new(note)
	}
	return reasonOf(x.load.Ask(ctx, o, answer))
}

// mark reads the i-th gauge of every process.
func (x *rig) mark(ctx context.Context, marks [][3]gauge, i int) error {
	for j, c := range x.children {
		var n note
		if err := c.Ask(ctx, order{Do: doMark}, &n); err != nil {
			return err
		}
		if n.Gauge == nil {
			return errors.New("a process did not tell what it has used")
		}
		marks[j][i] = *n.Gauge
	}
	return nil
}
