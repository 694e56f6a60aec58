// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/service"
)

// crowdReport is what a crowd says at its end.
type crowdReport struct {
	Clients  int `json:"clients"`
	Attempts int `json:"attempts"` // to connect anew, of all
	Most     int `json:"most"`     // that one client has made within a second
	Away     int `json:"away"`     // that were sent away for a time
	Lost     int `json:"lost"`     // clients that have ended
}

// crowd is the command of a process with many clients of one hub: it says "all here" whenever
// all are connected, and its report when its input ends.
func crowd() {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Println("no number:", err)
		os.Exit(exitUsage)
	}
	c := newCrowd(os.Args[1], n)
	if err := c.come(); err != nil {
		fmt.Println("failed:", err)
		os.Exit(exitFailed)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
	}
	report := c.leave()
	fmt.Println("report", mustJSON(report))
}

type crowdOf struct {
	address string
	clients []*plexus.Client
	here    atomic.Int64
	ending  atomic.Bool

	mu     sync.Mutex
	tries  [][]time.Time // when each client tries
	report crowdReport
}

func newCrowd(address string, n int) *crowdOf {
	return &crowdOf{address: address, clients: make([]*plexus.Client, n), tries: make([][]time.Time, n), report: crowdReport{Clients: n}}
}

// come connects all, some at a time.
func (c *crowdOf) come() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, len(c.clients))
	room := make(chan struct{}, 16)
	for i := range c.clients {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if err := c.enter(ctx, i); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

// enter connects one: who is sent away comes back when it was told to.
func (c *crowdOf) enter(ctx context.Context, i int) error {
	for {
		x, err := plexus.Dial(ctx, c.address, &plexus.DialOptions{
			Reconnect: &client.Reconnect{OnState: func(st client.State) { c.saw(i, st) }},
		})
		c.clients[i] = x
		away := service.RetryAfter(err)
		if away == 0 {
			return err
		}
		select {
		case <-time.After(away):
		case <-ctx.Done():
			return err
		}
	}
}

// saw notes what became of the connection of a client.
func (c *crowdOf) saw(i int, st client.State) {
	switch st.Phase {
	case client.Connected:
		if c.here.Add(1) == int64(len(c.clients)) {
			fmt.Println("all here")
		}
	case client.Disconnected:
		if c.here.Add(-1) == 0 {
			fmt.Println("all gone")
		}
	case client.Retrying:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tries[i] = append(c.tries[i], time.Now().Add(st.Delay))
		c.report.Attempts++
		if service.RetryAfter(st.Err) > 0 {
			c.report.Away++
		}
	case client.Ended:
		if !c.ending.Load() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.report.Lost++
		}
	}
}

// leave ends all and returns the report.
func (c *crowdOf) leave() crowdReport {
	c.ending.Store(true)
	for _, x := range c.clients {
		x.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tries := range c.tries {
		for i := range tries {
			end, _ := slices.BinarySearchFunc(tries, tries[i].Add(time.Second), time.Time.Compare)
			c.report.Most = max(c.report.Most, end-i)
		}
	}
	return c.report
}

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
