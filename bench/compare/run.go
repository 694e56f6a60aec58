// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
	"github.com/plexus-ipc/plexus/bench/compare/internal/report"
)

// absentError says that a system cannot even listen on a transport.
type absentError struct{ error }

// patience is how long a process may take to begin, or to end after its measured time.
const patience = 20 * time.Second

// once runs one system once: the processes of a row, up to the result.
func (b *bench) once(ctx context.Context, row report.Row, scheme string, s *system) (report.Record, error) {
	rec := report.Record{Row: row.ID, Scheme: scheme, System: s.Name}
	ctx, cancel := context.WithTimeout(ctx, patience+2*(b.warm+b.run))
	defer cancel()
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		return rec, err
	}
	defer clean(dir)
	at, err := address(scheme, dir)
	if err != nil {
		return rec, err
	}
	j := lab.Job{
		System: s.Name, Pattern: row.Pattern, At: at, Hub: row.Hub, Callers: row.Callers, Bytes: row.Bytes,
		Subscribers: row.Subscribers, Warm: b.warm, Run: b.run, Profile: b.profile,
	}
	var all []*process
	defer func() { stopAll(all) }()
	enter := func(role string) (*process, error) {
		j.Role = role
		p, err := start(s.command, b.env, dir, j)
		if err == nil {
			all = append(all, p)
		}
		return p, err
	}
	for _, role := range cast(row) {
		p, err := enter(role)
		if err != nil {
			return rec, err
		}
		if role == lab.Call {
			return rec, b.watch(ctx, &rec, all, p, nil)
		}
		if _, err := p.expect(ctx, "ready"); err != nil {
			err = errors.New(strings.ReplaceAll(err.Error(), at, scheme+"://…")) // the path is another each time
			if len(all) == 1 && ctx.Err() == nil {
				err = absentError{err}
			}
			return rec, err
		}
		if role == lab.Subscribe {
			pub, err := enter(lab.Publish)
			if err != nil {
				return rec, err
			}
			return rec, b.watch(ctx, &rec, all, p, pub)
		}
	}
	return rec, nil
}

// clean removes the folder of a run, and what a system has named after it in shared memory.
func clean(dir string) {
	os.RemoveAll(dir)
	left, _ := filepath.Glob(filepath.Join("/dev/shm", filepath.Base(dir)+"_*"))
	for _, name := range left {
		os.Remove(name)
	}
}

// cast lists the roles of a row in the order in which they enter; the last measures.
func cast(row report.Row) []string {
	switch {
	case row.Pattern == lab.Pubs:
		return []string{lab.Hub, lab.Subscribe}
	case row.Hub:
		return []string{lab.Hub, lab.Provide, lab.Call}
	}
	return []string{lab.Serve, lab.Call}
}

// address makes up an address: a short path, or a port that is free now.
func address(scheme, dir string) (string, error) {
	if scheme != "tcp" {
		return scheme + "://" + filepath.Join(dir, "s"), nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return "tcp://" + l.Addr().String(), nil
}

// watch reads what the measuring process tells, and looks at the clocks of all of them
// when it begins and ends.
func (b *bench) watch(ctx context.Context, rec *report.Record, all []*process, p, publisher *process) error {
	spent := func() (ours, machine time.Duration) {
		for _, p := range all {
			ours += cpuOf(p.cmd.Process.Pid)
		}
		return ours, busy()
	}
	if _, err := p.expect(ctx, "begin"); err != nil {
		return blame(err, publisher)
	}
	began := time.Now()
	ours, machine := spent()
	p.proceed()
	if _, err := p.expect(ctx, "end"); err != nil {
		return blame(err, publisher)
	}
	oursAfter, machineAfter := spent()
	took := time.Since(began)
	line, err := p.expect(ctx, "{")
	if err != nil {
		return err
	}
	var m lab.Measure
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		return fmt.Errorf("%s said %q: %w", p.role, line, err)
	}
	if m.Ops == 0 || m.Seconds <= 0 {
		return fmt.Errorf("nothing came through")
	}
	ours, machine = oursAfter-ours, machineAfter-machine
	rec.P50, rec.P99, rec.Allocs = m.P50, m.P99, m.Allocs
	rec.PerSecond = float64(m.Ops) / m.Seconds
	rec.CPU = ours.Seconds() * 1e6 / float64(m.Ops)
	if cores := runtime.NumCPU(); machine > 0 {
		rec.Foreign = max(0, (machine-ours).Seconds()/took.Seconds()/float64(cores))
	}
	if publisher == nil {
		return nil
	}
	if line, err = publisher.expect(ctx, "{"); err != nil {
		return err
	}
	var published lab.Published
	if err := json.Unmarshal([]byte(line), &published); err != nil {
		return fmt.Errorf("the publisher said %q: %w", line, err)
	}
	if wanted := float64(published.Published) * float64(subscribers(rec.Row)); wanted > 0 {
		rec.Lost = max(0, 1-float64(m.Ops)/wanted)
	}
	return nil
}

// blame adds what the publisher complained of, if it did.
func blame(err error, publisher *process) error {
	if publisher == nil {
		return err
	}
	if why := publisher.said.sentence(); why != "" {
		return fmt.Errorf("%w; the publisher said%s", err, why)
	}
	return err
}

func subscribers(id string) int {
	for _, r := range report.Rows {
		if r.ID == id {
			return r.Subscribers
		}
	}
	return 0
}
