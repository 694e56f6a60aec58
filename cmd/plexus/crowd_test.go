// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
