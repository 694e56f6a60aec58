// SPDX-License-Identifier: Apache-2.0

// Command compare measures Plexus, the floor of each transport, and other systems for the
// same work, each in processes of its own, and writes what it saw as Markdown, plots and
// JSON. docs/benchmarks.md says how to read it.
//
//	go run ./bench/compare -install -docs docs
//	go run ./bench/compare -peers=false -rows call-1,call-64 -transports unix
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/plexus-ipc/plexus/bench/compare/internal/floor"
	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
	"github.com/plexus-ipc/plexus/bench/compare/internal/netrpc"
	"github.com/plexus-ipc/plexus/bench/compare/internal/ours"
	"github.com/plexus-ipc/plexus/bench/compare/internal/report"
)

// inside are the systems that this program itself can be: the rest needs more than this
// module has.
func inside() []lab.System {
	return []lab.System{ours.System(), floor.System(), netrpc.System()}
}

// options are the flags.
type options struct {
	rounds                     int
	warm, run                  time.Duration
	rows, systems, transports  string
	peers, install             bool
	cache, docs, from, profile string
	json                       string
	quiet                      float64
}

func main() {
	var (
		o options
		j lab.Job
	)
	o.flags(flag.CommandLine)
	j.Flags(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if j.Role != "" {
		err = lab.Do(inside(), j)
	} else {
		o.warm, o.run = j.Warm, j.Run
		err = o.compare(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func (o *options) flags(f *flag.FlagSet) {
	f.IntVar(&o.rounds, "rounds", 5, "rounds, interleaved")
	f.StringVar(&o.rows, "rows", "", "rows to measure, separated by commas; all without")
	f.StringVar(&o.systems, "systems", "", "systems to measure, separated by commas; all without")
	f.StringVar(&o.transports, "transports", "unix,tcp,shm", "transports to measure on")
	f.BoolVar(&o.peers, "peers", true, "measure other systems beside Plexus and the floor")
	f.BoolVar(&o.install, "install", false, "fetch what peers need from the package registries, into the cache")
	f.StringVar(&o.cache, "cache", "", "folder for what is built and fetched, the user's cache without")
	f.StringVar(&o.docs, "docs", "", "write benchmarks.md, benchmarks.json and plots/ into this folder")
	f.StringVar(&o.json, "json", "", "write the rounds into this file")
	f.Float64Var(&o.quiet, "quiet", 0.25, "do a run again, once, if others used more than this share of the machine; 1 repeats nothing")
	f.StringVar(&o.from, "from", "", "measure nothing, report on the rounds in this file")
	f.StringVar(&o.profile, "profile", "", "write CPU profiles of all Go processes into this folder")
}

// compare measures, or reads what was measured, and reports.
func (o *options) compare(ctx context.Context) error {
	var (
		result *report.Run
		err    error
	)
	if o.from != "" {
		result, err = report.Load(o.from)
	} else {
		result, err = o.measure(ctx)
	}
	if result == nil || len(result.Records) == 0 {
		return err
	}
	if o.json != "" {
		if err := result.Save(o.json); err != nil {
			return err
		}
	}
	fmt.Print(report.Plain(result))
	if o.docs != "" && err == nil {
		err = report.Write(result, o.docs)
	}
	return err
}

// measure makes all rounds. At an interrupt it returns what there is until then.
func (o *options) measure(ctx context.Context) (*report.Run, error) {
	b, err := o.prepare()
	if err != nil {
		return nil, err
	}
	for round := 1; round <= o.rounds; round++ {
		for _, row := range b.rows {
			for _, scheme := range b.schemes {
				if ctx.Err() != nil {
					return b.result(), ctx.Err()
				}
				b.set(ctx, round, row, scheme)
			}
		}
	}
	return b.result(), nil
}

// prepare finds out what can be measured here.
func (o *options) prepare() (*bench, error) {
	b := &bench{warm: o.warm, run: o.run, rounds: o.rounds, quiet: o.quiet, profile: o.profile, failed: map[string]int{}, absent: map[string]bool{}}
	if o.profile != "" {
		var err error
		if b.profile, err = filepath.Abs(o.profile); err != nil {
			return nil, err
		}
	}
	for _, row := range report.Rows {
		if wanted(o.rows, row.ID) {
			b.rows = append(b.rows, row)
		}
	}
	b.schemes = strings.Split(o.transports, ",")
	if len(b.rows) == 0 {
		return nil, fmt.Errorf("there is no row %q", o.rows)
	}
	b.log("preparing")
	return b, b.gather(o)
}

// wanted tells whether a list of names, empty for all, has one.
func wanted(list, name string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), name)
}
