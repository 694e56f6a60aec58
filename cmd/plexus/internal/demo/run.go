// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/family"
	"github.com/plexus-ipc/plexus/status"
)

// Options describe a demo.
type Options struct {
	Folder   string // of Go files
	JSON     bool   // the summary as one JSON object
	Out, Err io.Writer
}

// patience is how long a child may take to end.
const patience = 5 * time.Second

// errChanged means that files were changed while the processes read them.
var errChanged = errors.New("files were changed during the demo: run it again")

// summary is what a demo found out.
type summary struct {
	Folder    string   `json:"folder"`
	Files     int      `json:"files"`
	Lines     int      `json:"lines"`
	Bytes     int      `json:"bytes"`
	Processes int      `json:"processes"`
	Seconds   float64  `json:"seconds"`
	OK        bool     `json:"ok"`
	Rows      []Row    `json:"rows"`
	Endpoints []string `json:"endpoints"`
}

// Run runs the demo and prints the summary. An error is returned, too, if anything was
// not as it should be. When it returns nothing is left of the demo.
func Run(ctx context.Context, o Options) error {
	folder, err := filepath.Abs(o.Folder)
	if err != nil {
		return status.Errorf(status.InvalidArgument, "%w", err)
	}
	s, err := play(ctx, folder, o)
	for range 2 { // somebody may be writing in the folder
		if !errors.Is(err, errChanged) {
			break
		}
		s, err = play(ctx, folder, o)
	}
	if err != nil {
		return err
	}
	return s.print(o)
}

func (s *summary) print(o Options) error {
	wrong := 0
	for _, r := range s.Rows {
		if !r.OK {
			wrong++
		}
	}
	s.OK = wrong == 0
	if o.JSON {
		if err := json.NewEncoder(o.Out).Encode(s); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(o.Out, "%d Go files, %d lines in %s; %d processes, %.1f s\n\n", s.Files, s.Lines, s.Folder, s.Processes, s.Seconds)
		printRows(o.Out, s.Rows)
		fmt.Fprintf(o.Out, "\n%d of %d verified against a direct computation\n", len(s.Rows)-wrong, len(s.Rows))
	}
	if wrong > 0 {
		return status.Errorf(status.Failed, "%d of %d patterns did not give what they should: see the table", wrong, len(s.Rows))
	}
	return nil
}

// play runs all processes once.
func play(ctx context.Context, folder string, o Options) (s *summary, err error) {
	began := time.Now()
	c, err := load(folder)
	if err != nil {
		return nil, err
	}
	children, err := family.New("demo-role", o.Err)
	if err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp("", "plexus-demo-")
	if err != nil {
		return nil, status.Errorf(status.Internal, "no private folder: %w", err)
	}
	d := &director{c: c, family: children, task: task{Folder: folder, Private: private}}
	defer func() {
		err = errors.Join(err, d.family.End(patience), os.RemoveAll(private))
	}()
	s = &summary{Folder: folder, Files: len(c.Files), Lines: c.Lines, Bytes: c.Bytes}
	if s.Rows, err = d.direct(ctx); err != nil {
		return nil, err
	}
	s.Processes, s.Endpoints, s.Seconds = d.family.Len()+1, d.endpoints, time.Since(began).Seconds()
	return s, nil
}

// director leads the children through the demo.
type director struct {
	c         *corpus
	family    *family.Family
	task      task
	endpoints []string
}

// direct starts the providers and the consumers, has the index built while all consumers
// watch, and then lets them go through the patterns one after the other.
func (d *director) direct(ctx context.Context) ([]Row, error) {
	hub, err := d.begin(ctx, "hub", d.task)
	if err != nil {
		return nil, err
	}
	at := func(transport string) string { e, _ := pick(hub, transport); return e }
	d.task.Hub = at("unix")
	index, err := d.begin(ctx, "index", d.task)
	if err != nil {
		return nil, err
	}
	words, err := d.begin(ctx, "words", d.task)
	if err != nil {
		return nil, err
	}
	d.endpoints = append(append(hub, index...), words...)
	var tasks []task
	for _, route := range []string{"hub", "direct"} {
		for _, transport := range []string{"unix", "tcp"} {
			t := d.task
			t.Route, t.Transport, t.Hub = route, transport, at(transport)
			t.Index, _ = pick(index, transport)
			t.Words, _ = pick(words, transport)
			tasks = append(tasks, t)
		}
	}
	return d.consume(ctx, tasks)
}

// begin starts a provider and returns where it listens.
func (d *director) begin(ctx context.Context, role string, t task) ([]string, error) {
	c, err := d.family.Start(role, t)
	if err != nil {
		return nil, err
	}
	var n note
	err = c.Next(ctx, &n)
	if err == nil && n.Digest != "" && n.Digest != d.c.Digest {
		err = errChanged
	}
	return n.Endpoints, err
}

// consume runs the consumers.
func (d *director) consume(ctx context.Context, tasks []task) ([]Row, error) {
	children := make([]*family.Child, len(tasks))
	for i, t := range tasks {
		var err error
		if children[i], err = d.family.Start("consumer", t); err != nil {
			return nil, err
		}
	}
	for _, c := range children { // all have subscribed
		var n note
		err := c.Next(ctx, &n)
		if err == nil && n.Digest != d.c.Digest {
			err = errChanged
		}
		if err != nil {
			return nil, err
		}
	}
	if err := d.build(ctx); err != nil {
		return nil, err
	}
	want := expect(d.c)
	for _, c := range children { // all have seen the end of the index
		if err := c.Next(ctx, new(note)); err != nil {
			return nil, err
		}
	}
	var rows []Row
	for i, c := range children { // one at a time, so that they measure themselves only
		var n note
		if err := c.Ask(ctx, "go", &n); err != nil {
			return nil, err
		}
		for _, r := range n.Rows {
			r.Route, r.Transport = tasks[i].Route, tasks[i].Transport
			r.verify(want)
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// build has the index built: the parent is a consumer like any other.
func (d *director) build(ctx context.Context) error {
	cl, err := plexus.Dial(ctx, d.task.Hub, nil)
	if err != nil {
		return err
	}
	defer done(cl)
	b, err := plexus.Call[built](ctx, cl.Channel("index"), "build", struct{}{})
	if err == nil && b.Digest != d.c.Digest {
		err = errChanged
	}
	return err
}
