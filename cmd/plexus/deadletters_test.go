// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
)

// TestDeadLettersSurviveKill: each publication of which a receipt has said that it is a dead
// letter is in the file after kill -9 of the hub, byte for byte, under many publishers.
func TestDeadLettersSurviveKill(t *testing.T) {
	w := newTown(t)
	w.hub.kill()
	told := make(map[string]bool) // payloads
	for round := range 3 {
		w.hub = w.start("^listening on ", "serve", "--dead-letters", w.dir+"/letters", "--dead-letter", "orders/>")
		var mu sync.Mutex
		var some atomic.Int32
		enough := make(chan struct{})
		var publishers sync.WaitGroup
		for p := range 8 {
			c := w.dial()
			if _, err := plexus.Declare(c.Channel("orders"), "new", plexus.WithShared()); err != nil {
				t.Fatal(err)
			}
			publishers.Go(func() {
				for i := 0; ; i++ {
					var r operation.Receipt
					v := fmt.Sprintf("round %d publisher %d number %d", round, p, i)
					if err := plexus.Publish(t.Context(), c.Channel("orders"), "new", v, service.WithReceipt(&r)); err != nil {
						return // the hub is dead
					}
					if r.DeadLettered == 1 {
						mu.Lock()
						told[v] = true
						mu.Unlock()
						if some.Add(1) == 300 {
							close(enough)
						}
					}
				}
			})
		}
		<-enough
		w.hub.kill()
		publishers.Wait()
	}
	w.hub = w.start("^listening on ", "serve", "--dead-letters", w.dir+"/letters", "--dead-letter", "orders/>")
	c := w.dial()
	kept := make(map[string]bool)
	q := operation.DeadLetterQuery{Limit: operation.MaxDeadLetterPage}
	for {
		page, err := c.Channel("").DeadLetters(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Letters {
			full, err := c.Channel("").DeadLetter(t.Context(), l.ID)
			if err != nil {
				t.Fatal(err)
			}
			var v string
			if err := json.Unmarshal(full.Value, &v); err != nil {
				t.Fatal(err)
			}
			kept[v] = true
		}
		if q.After = page.Next; q.After == 0 {
			break
		}
	}
	for v := range told {
		if !kept[v] {
			t.Errorf("%q was told to be kept, and is not", v)
		}
	}
	t.Logf("%d were told, %d are kept, all that were told among them", len(told), len(kept))
	if files, _ := os.ReadDir(w.dir); len(files) > 8 {
		t.Errorf("files: %v", files)
	}
}

// TestDeadLettersFull: while the disk is full nobody is told that a publication is kept, the loss
// is counted and the hub routes; when there is room again the store goes on, with all it had.
func TestDeadLettersFull(t *testing.T) {
	w := newTown(t)
	w.hub.kill()
	dir := smallDisk(t, 1<<20)
	w.hub = w.start("^listening on ", "serve", "--dead-letters", dir+"/letters", "--dead-letter", "orders/>")
	w.start("^providing ", "provide", "echo/echo", "--", "cat")
	c := w.dial()
	if _, err := plexus.Declare(c.Channel("orders"), "new"); err != nil {
		t.Fatal(err)
	}
	publish := func(n int) bool {
		var r operation.Receipt
		if err := plexus.Publish(t.Context(), c.Channel("orders"), "new", make([]byte, n), service.WithReceipt(&r)); err != nil {
			t.Fatal(err)
		}
		return r.DeadLettered == 1
	}
	kept := 0
	for publish(30_000) {
		kept++
	}
	if kept == 0 || publish(30_000) {
		t.Fatalf("%d were kept on a disk of 1 MiB", kept)
	}
	w.works(c)
	st := func() *operation.DeadLetterStats {
		var s operation.HubStats
		if err := c.Channel("").Operate(t.Context(), operation.Stats, operation.Empty{}, &s); err != nil {
			t.Fatal(err)
		}
		return s.DeadLetters
	}
	if s := st(); s.Lost["store"] != 2 || int(s.Kept) != kept || s.Records != kept {
		t.Fatalf("%d kept, %+v", kept, s)
	}
	for _, f := range []string{"/ballast"} {
		if err := os.Remove(dir + f); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if !poll(func() bool { return publish(30_000) }) {
		t.Fatalf("there is room, and nothing is kept: %+v", st())
	}
	t.Logf("%d were kept until the disk was full; kept again %v after there was room", kept, time.Since(began))
	list, err := c.Channel("").DeadLetters(t.Context(), operation.DeadLetterQuery{Limit: 1000})
	if err != nil || len(list.Letters) != kept+1 {
		t.Fatalf("%d letters, %v", len(list.Letters), err)
	}
	w.works(c)
}

// TestDeadLettersCost tells how fast publications become dead letters and are told to be.
func TestDeadLettersCost(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	w := newTown(t)
	w.hub.kill()
	w.hub = w.start("^listening on ", "serve", "--dead-letters", w.dir+"/letters", "--dead-letter", "orders/>")
	for _, publishers := range []int{1, 32, 256} {
		var mu sync.Mutex
		var took []time.Duration
		var wg sync.WaitGroup
		began := time.Now()
		for range publishers {
			c := w.dial()
			if _, err := plexus.Declare(c.Channel("orders"), "new", plexus.WithShared()); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for time.Since(began) < 300*time.Millisecond {
					var r operation.Receipt
					at := time.Now()
					err := plexus.Publish(t.Context(), c.Channel("orders"), "new", make([]byte, 200), service.WithReceipt(&r))
					if err != nil || r.DeadLettered != 1 {
						t.Errorf("%+v, %v", r, err)
						return
					}
					mu.Lock()
					took = append(took, time.Since(at))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		all := time.Since(began)
		tellCost(t, publishers, took, all)
	}
}

func tellCost(t *testing.T, publishers int, took []time.Duration, all time.Duration) {
	t.Helper()
	slices.Sort(took)
	if len(took) == 0 {
		t.Fatal("nothing was kept")
	}
	t.Logf("%3d publishers: %6.0f a second, acknowledged after p50 %v, p99 %v", publishers, float64(len(took))/all.Seconds(),
		took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond))
}
