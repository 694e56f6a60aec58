// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/bench/compare/foreign"
	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
	"github.com/plexus-ipc/plexus/bench/compare/internal/report"
)

// system is something to measure, and how to start its processes.
type system struct {
	lab.Description
	command []string
}

// bench is one comparison.
type bench struct {
	warm, run time.Duration
	rounds    int
	quiet     float64 // share of the machine that others may use
	profile   string
	root      string
	rows      []report.Row
	schemes   []string
	systems   []*system
	probe     []string
	env       []string
	skipped   []report.Skip
	records   []report.Record
	failed    map[string]int  // by row, transport and system: how often in sequence
	absent    map[string]bool // by transport and system: it cannot listen there
	began     time.Time
}

func (b *bench) log(format string, args ...any) {
	if b.began.IsZero() {
		b.began = time.Now()
	}
	fmt.Fprintf(os.Stderr, "%6.1fs %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) skip(system, where string, reason error) {
	b.skipped = append(b.skipped, report.Skip{System: system, Where: where, Reason: reason.Error()})
	b.log("skipping %s %s: %v", system, where, reason)
}

// gather lists the systems that can be started, and says why others cannot.
func (b *bench) gather(o *options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, s := range inside() {
		if d := s.Describe(); wanted(o.systems, d.Name) && (o.peers || o.systems != "" || d.Name != "net/rpc") {
			b.systems = append(b.systems, &system{d, []string{self}})
		}
	}
	if b.root, err = root(); err != nil {
		return err
	}
	b.probe = []string{self, "-role", lab.Probe}
	if !o.peers {
		return nil
	}
	if o.cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		o.cache = filepath.Join(user, "plexus-bench")
	}
	if o.cache, err = filepath.Abs(o.cache); err != nil {
		return err
	}
	if err := os.MkdirAll(o.cache, 0o700); err != nil {
		return err
	}
	box := &foreign.Box{Folder: o.cache, Install: o.install, Log: b.log}
	if probe, err := box.Probe(); err == nil {
		b.probe = []string{probe}
	} else {
		b.log("the spin probe is in Go: %v", err)
	}
	if err := b.gatherPeers(o, box); err != nil {
		b.skip("the peers in Go", "", err)
	}
	for _, p := range foreign.Programs() {
		if !wanted(o.systems, p.Name) {
			continue
		}
		command, version, err := p.Build(box)
		if err != nil {
			b.skip(p.Name, "", err)
			continue
		}
		p.Version = version
		b.systems = append(b.systems, &system{p.Description, command})
	}
	b.env = box.Environment()
	for _, a := range absent {
		b.skip(a.System, "", errors.New(a.Reason))
	}
	return nil
}

// gatherPeers builds the module of the peers in Go, which is outside the workspace.
func (b *bench) gatherPeers(o *options, box *foreign.Box) error {
	program := filepath.Join(o.cache, "peers")
	b.log("building the peers in Go (once, some minutes)")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(b.root, "bench", "compare", "peers")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	out, err := exec.Command(program, "-list").Output()
	if err != nil {
		return err
	}
	var all []lab.Description
	if err := json.Unmarshal(out, &all); err != nil {
		return err
	}
	for _, d := range all {
		if !wanted(o.systems, d.Name) {
			continue
		}
		if err := provide(box, &d); err != nil {
			b.skip(d.Name, "", err)
			continue
		}
		b.systems = append(b.systems, &system{d, []string{program}})
	}
	return nil
}

// provide sees to it that the program of a broker is there, and asks for its version.
func provide(box *foreign.Box, d *lab.Description) error {
	if d.Program == "" {
		return nil
	}
	_, err := box.Look(d.Program)
	if err != nil && box.Install {
		if err = box.Fetch(d.Package); err == nil {
			_, err = box.Look(d.Program)
		}
	}
	if err != nil {
		return err
	}
	d.Version = strings.TrimSpace(d.Package+" "+box.Version(d.Package)) + ", client " + d.Version
	return nil
}

// root is the folder of the workspace that this program is run in.
func root() (string, error) {
	at, err := os.Getwd()
	for err == nil {
		if _, e := os.Stat(filepath.Join(at, "go.work")); e == nil {
			return at, nil
		}
		if filepath.Dir(at) == at {
			return "", errors.New("run it in the repository: there is no go.work above")
		}
		at = filepath.Dir(at)
	}
	return "", err
}

// repeats bounds how often a set is done again because the machine moved under it.
const repeats = 2

// moved is the ratio of two probes from which on the machine has moved.
const moved = 1.6

// set runs all systems once for one kind of work on one transport. If the spin probe says
// that the machine moved meanwhile, the set is done again.
func (b *bench) set(ctx context.Context, round int, row report.Row, scheme string) {
	var members []*system
	if row.Pattern == lab.Loans && scheme != "shm" {
		return // there is nothing to lend
	}
	for _, s := range b.systems {
		if s.One && row.Callers > 1 {
			continue
		}
		if slices.Contains(s.Schemes, scheme) && slices.Contains(s.Patterns, row.Need()) && b.failed[key(row, scheme, s)] < 2 && !b.absent[scheme+" "+s.Name] {
			members = append(members, s)
		}
	}
	for try := 0; len(members) > 0 && ctx.Err() == nil; try++ {
		before := b.spin(ctx)
		from := len(b.records)
		for i := range members {
			s := members[(i+round)%len(members)] // nobody always comes after the same
			b.member(ctx, round, row, scheme, s, before)
		}
		after := b.spin(ctx)
		if try == repeats || b.quiet >= 1 || before == 0 || after == 0 || max(before, after) < moved*min(before, after) {
			return
		}
		b.log("the probe went from %.0f to %.0f ns: again", before, after)
		for i := range b.records[from:] {
			b.records[from+i].Repeated = true
		}
	}
}

func key(row report.Row, scheme string, s *system) string {
	return row.ID + " " + scheme + " " + s.Name
}

// member runs one system, once more if the machine was busy with something else.
func (b *bench) member(ctx context.Context, round int, row report.Row, scheme string, s *system, probe float64) {
	rec, err := b.once(ctx, row, scheme, s)
	if err == nil && rec.Foreign > b.quiet {
		if again, e := b.once(ctx, row, scheme, s); e == nil && again.Foreign < rec.Foreign {
			rec = again
		}
	}
	if ctx.Err() != nil {
		return
	}
	var absent absentError
	if errors.As(err, &absent) {
		b.absent[scheme+" "+s.Name] = true
		b.skip(s.Name, "over "+scheme, err)
		return
	}
	rec.Round, rec.Probe = round, probe
	if err != nil {
		rec.Error = err.Error()
		if b.failed[key(row, scheme, s)]++; b.failed[key(row, scheme, s)] == 2 || b.rounds == 1 {
			b.skip(s.Name, row.ID+" on "+scheme, err)
		}
	} else {
		b.failed[key(row, scheme, s)] = 0
	}
	b.records = append(b.records, rec)
	b.log("%d/%d %-12s %-4s %-15s %s", round, b.rounds, row.ID, scheme, s.Name, rec.Short())
}

// spin runs the probe, 0 if it does not run.
func (b *bench) spin(ctx context.Context) float64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, b.probe[0], b.probe[1:]...).Output()
	if err != nil {
		return 0
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return 0
	}
	return v
}

// result is what has been measured until now.
func (b *bench) result() *report.Run {
	r := &report.Run{
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Command: "compare " + strings.Join(os.Args[1:], " "),
		Commit: commit(b.root), Rounds: b.rounds, Machine: describe(), Skipped: b.skipped, Records: b.records,
	}
	for _, s := range b.systems {
		r.Systems = append(r.Systems, s.Description)
	}
	return r
}

// absent are peers that were looked at and left out.
var absent = []report.Skip{
	{System: "Aeron", Reason: "its media driver is a program for the JVM that spins on cores of its own; on two cores that measures the scheduler"},
}
