// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// A hub with a thousand clients in several processes is killed and started again: all are back
// within ten seconds, none tries more than five times in a second, and another hub that is
// started into the storm sees that the first one lives. PLEXUS_STORM sets another number of
// clients, which may be more than the backlog of the socket: then thirty seconds.
func TestReconnectStorm(t *testing.T) {
	const processes = 4
	n, limit := 1000, 10*time.Second
	if v, err := strconv.Atoi(os.Getenv("PLEXUS_STORM")); err == nil {
		n, limit = v, 30*time.Second
	}
	if raceEnabled {
		limit = 30 * time.Second
	}
	w := newTown(t)
	args := []string{"serve", "--max-sessions", strconv.Itoa(2 * n)}
	var all []crowdProcess
	for range processes {
		all = append(all, w.crowd(n/processes))
	}
	for _, p := range all {
		w.line(p, "^all here")
	}
	w.hub.kill()
	for _, p := range all {
		w.line(p, "^all gone")
	}
	marks := make([]int, len(all))
	for i, p := range all {
		marks[i] = p.count()
	}
	began := time.Now()
	w.hub = w.start("^listening on ", args...)
	up := time.Since(began)
	second := w.start("", args...)
	for i, p := range all {
		if _, err := p.awaitAfter(marks[i], "^all here"); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began) - up
	if took > limit {
		t.Errorf("%d clients were back after %v", n, took)
	}
	if code, err := second.wait(); err != nil || code != exitRefused {
		t.Errorf("a second hub: %d, %v: %s", code, err, second.output())
	}
	sum := crowdReport{}
	for _, p := range all {
		r := w.report(p)
		sum.Clients, sum.Attempts, sum.Away, sum.Lost = sum.Clients+r.Clients, sum.Attempts+r.Attempts, sum.Away+r.Away, sum.Lost+r.Lost
		sum.Most = max(sum.Most, r.Most)
	}
	t.Logf("%d clients were back %v after the hub was up (%v): %+v", n, took, up, sum)
	if sum.Most > 5 || sum.Lost > 0 || sum.Attempts < n {
		t.Errorf("%+v", sum)
	}
}

// A storm into a hub that lets fewer in than come: those who are sent away come in when they
// were told to, and hardly one has to ask again and again.
func TestStormIsSpread(t *testing.T) {
	const n, rate = 200, 100
	w := newTown(t)
	w.hub.kill()
	args := []string{"serve", "--max-session-rate", strconv.Itoa(rate)}
	w.hub = w.start("^listening on ", args...)
	p := w.crowd(n)
	w.line(p, "^all here")
	w.hub.kill()
	w.line(p, "^all gone")
	mark := p.count()
	began := time.Now()
	w.hub = w.start("^listening on ", args...)
	if _, err := p.awaitAfter(mark, "^all here"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if _, err := w.hub.await("connections are sent away for a while"); err != nil {
		t.Error(err)
	}
	r := w.report(p)
	t.Logf("%d clients were back after %v at %d a second: %+v", n, took, rate, r)
	if r.Away == 0 || r.Lost > 0 || r.Most > 5 || r.Attempts > 4*n || took > 10*time.Second {
		t.Errorf("%+v, %v", r, took)
	}
}

// crowdProcess is a process that ends when its input does.
type crowdProcess struct {
	*process
	in io.Closer
}

// crowd starts a process with n clients.
func (w *town) crowd(n int) crowdProcess {
	w.Helper()
	cmd := exec.Command("plexus-crowd", w.address, strconv.Itoa(n))
	in, err := cmd.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	cmd.Dir, cmd.Env = w.dir, os.Environ()
	p, err := startCommand(cmd)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(p.kill)
	return crowdProcess{p, in}
}

// line waits for a line of a process.
func (w *town) line(p crowdProcess, pattern string) {
	w.Helper()
	if _, err := p.await(pattern); err != nil {
		w.Fatal(err)
	}
}

// report ends a crowd and returns what it says.
func (w *town) report(p crowdProcess) (r crowdReport) {
	w.Helper()
	p.in.Close()
	line, err := p.await("^report ")
	if err == nil {
		err = json.Unmarshal([]byte(line[len("report "):]), &r)
	}
	if err != nil {
		w.Fatal(err)
	}
	return r
}
