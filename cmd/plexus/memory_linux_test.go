// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// peakMemory returns the most memory that a process ever had, in bytes.
func peakMemory(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	text, _, _ := strings.Cut(rest, "kB")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n << 10, err
}

// flood publishes to a subscription of its own that is never read, until ctx ends; when it is
// cut off it comes again at once. It counts how often that was because too much waited.
func flood(ctx context.Context, address string, id int, cut *atomic.Int64) error {
	payload := make([]byte, 16<<10)
	for ctx.Err() == nil {
		c, err := plexus.Dial(ctx, address, nil)
		if err != nil {
			if ctx.Err() == nil && !status.Retryable(err) {
				return err
			}
			continue
		}
		ch := c.Channel(fmt.Sprint("flood", id, ".", cut.Load()))
		if _, err = plexus.Declare(ch, "t"); err == nil {
			_, err = ch.Subscribe(ctx, "t", service.SubscribeOptions{Queue: 60_000, QueueBytes: 8 << 20})
		}
		for err == nil && ctx.Err() == nil {
			err = plexus.Publish(ctx, ch, "t", payload)
		}
		if l, ok := service.LimitOf(c.Err()); ok && l.Name == "queued_bytes" && l.Scope == "hub" {
			cut.Add(1)
		}
		c.Close()
	}
	return nil
}

// A hub that may have 64 MiB serves a thousand idle clients while ten flood it: its memory stays
// within the bound, those for whom most waits are cut off, and no other. PLEXUS_FLOOD sets
// another time than three seconds.
func TestFloodWithinMemory(t *testing.T) {
	const idle, floods, limit = 1000, 10, 64 << 20
	span := 3 * time.Second
	if v, err := time.ParseDuration(os.Getenv("PLEXUS_FLOOD")); err == nil {
		span = v
	}
	w := newTown(t)
	w.hub.kill()
	t.Setenv("GOMEMLIMIT", strconv.Itoa(limit))
	w.hub = w.start("^listening on ", "serve", "--max-queued-hub", strconv.Itoa(8<<20), "--max-message", strconv.Itoa(256<<10), "--route-window", strconv.Itoa(256<<10))
	t.Setenv("GOMEMLIMIT", "off")
	w.start("^providing ", "provide", "echo/echo", "--", "cat")
	crowd := w.crowd(idle)
	w.line(crowd, "^all here")
	before, err := peakMemory(w.hub.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	c := w.dial()
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var cut atomic.Int64
	var wg sync.WaitGroup
	for i := range floods {
		wg.Go(func() {
			if err := flood(ctx, w.address, i, &cut); err != nil {
				t.Error(err)
			}
		})
	}
	slowest := time.Duration(0)
	for ctx.Err() == nil {
		began := time.Now()
		w.works(c)
		slowest = max(slowest, time.Since(began))
	}
	wg.Wait()
	var st operation.HubStats
	if err := c.Channel("").Operate(t.Context(), operation.Stats, nil, &st); err != nil {
		t.Fatal(err)
	}
	peak, err := peakMemory(w.hub.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	r := w.report(crowd)
	t.Logf("%d MiB with %d idle clients, at most %d MiB with %d that flood, of which %d were cut off; the slowest call took %v; %d publications",
		before>>20, idle, peak>>20, floods, st.Shed, slowest, st.Published)
	if r.Attempts > 0 || r.Lost > 0 {
		t.Errorf("those who were idle paid: %+v", r)
	}
	if st.Shed == 0 || cut.Load() == 0 || st.Shed < uint64(cut.Load()) {
		t.Errorf("%d were cut off, %d were told so", st.Shed, cut.Load())
	}
	if most := limit + limit/2; peak > most && !raceEnabled {
		t.Errorf("the hub took %d MiB", peak>>20)
	}
}
