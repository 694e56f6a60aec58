// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/status"
)

var soakTime = flag.Duration("soak", 4*time.Second, "how long TestSoak and TestSoakOfHubs kill processes, each; 20m for a real one")

// TestSoak: whatever a hub's members are doing when they are killed, everybody else's calls
// end with an answer or a code, and nothing of the dead stays in the hub.
func TestSoak(t *testing.T) {
	w := newTown(t)
	verbs := [][]string{
		{"provide", "soak/echo", "--group", "g", "--", "cat"},
		{"provide", "soak/echo", "--group", "g", "--", "cat"},
		{"provide", "soak/ticks", "--group", "t", "--stream", "--", "yes", "1"},
		{"stream", "soak/ticks"}, {"stream", "soak/ticks"},
		{"subscribe", "soak/>"}, {"subscribe", "soak/>"},
	}
	c := w.dial()
	ch := c.Channel("soak")
	if _, err := plexus.Declare(ch, "news"); err != nil {
		t.Fatal(err)
	}
	members := make([]*process, len(verbs))
	rnd := rand.New(rand.NewPCG(1, 2))
	outcome := make(map[string]int)
	one := func() {
		i := rnd.IntN(len(verbs))
		if members[i] != nil {
			members[i].kill()
		}
		p, err := startProcess(os.Environ(), w.dir, append([]string{"-a", w.address}, verbs[i]...)...)
		if err != nil {
			t.Fatal(err)
		}
		members[i] = p
		for range 1 + rnd.IntN(40) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, err := plexus.Call[int](ctx, ch, "echo", 1)
			cancel()
			outcome[status.CodeOf(err).String()]++
			switch {
			case err == nil, errors.Is(err, status.PeerGone), errors.Is(err, status.NoProvider), errors.Is(err, status.Failed):
			default:
				t.Fatal(err)
			}
			if err := plexus.Publish(t.Context(), ch, "news", "extra"); err != nil {
				t.Fatal(err)
			}
		}
	}
	defer func() {
		for _, p := range members {
			if p != nil {
				p.kill()
			}
		}
	}()
	empty := func() {
		for i, p := range members {
			if p != nil {
				p.kill()
				members[i] = nil
			}
		}
		if !poll(func() bool { return w.stats(c).Sessions == 1 }) {
			t.Fatalf("%d sessions remain", w.stats(c).Sessions)
		}
	}
	turns := 0
	for over := time.Now().Add(*soakTime / 4); time.Now().Before(over); turns++ {
		one()
	}
	empty()
	files, memory, routines := w.files(), w.memory(), w.stats(c).Goroutines
	for over := time.Now().Add(*soakTime * 3 / 4); time.Now().Before(over); turns++ {
		one()
	}
	empty()
	st := w.stats(c)
	t.Logf("%d kills, calls %v; the hub then and now: descriptors %d, %d; goroutines %d, %d; KiB %d, %d; %d sessions, %d channels, %d methods",
		turns, outcome, files, w.files(), routines, st.Goroutines, memory>>10, w.memory()>>10, st.SessionsTotal, st.Channels, st.Methods)
	if w.files() > files+2 || st.Goroutines > routines+4 || w.memory() > memory+memory/2+8<<20 {
		t.Error("the hub has grown")
	}
	if st.Methods != 0 || st.Subscriptions != 0 || st.Channels != 1 || st.Calls.Open > 1 {
		t.Errorf("something of the dead stays: %+v", st)
	}
}

var connections = flag.Int("connections", 1000, "how many times TestConnections connects and goes")

// TestConnections: who comes, joins, provides, subscribes and goes leaves nothing behind, in
// the hub or at home.
func TestConnections(t *testing.T) {
	w := newTown(t)
	steady := w.dial()
	visit := func(n int) {
		for range n {
			c, err := plexus.Dial(t.Context(), w.address, nil)
			if err != nil {
				t.Fatal(err)
			}
			ch := c.Channel("visited")
			if _, err := plexus.Handle(ch, "m", func(_ context.Context, n int) (int, error) { return n, nil }); err != nil {
				t.Fatal(err)
			}
			if _, err := plexus.Declare(ch, "t"); err != nil {
				t.Fatal(err)
			}
			if _, err := plexus.Subscribe[int](t.Context(), ch, ">"); err != nil {
				t.Fatal(err)
			}
			c.Close()
			// The name is taken until the hub has noticed.
			if !poll(func() bool { return w.stats(steady).Sessions == 1 }) {
				t.Fatal("the session remains")
			}
		}
	}
	visit(*connections / 10)
	files, memory, routines, own := w.files(), w.memory(), w.stats(steady).Goroutines, ownFiles()
	visit(*connections)
	st := w.stats(steady)
	t.Logf("%d sessions; then and now: descriptors %d, %d (own %d, %d); goroutines %d, %d; KiB %d, %d",
		st.SessionsTotal, files, w.files(), own, ownFiles(), routines, st.Goroutines, memory>>10, w.memory()>>10)
	if w.files() > files+1 || ownFiles() > own+1 || st.Goroutines > routines+2 || w.memory() > memory+memory/4+4<<20 {
		t.Error("something stays")
	}
	if st.Channels+st.Methods+st.Topics+st.Subscriptions != 0 {
		t.Errorf("something of the visitors stays: %+v", st)
	}
}

// TestSoakOfHubs: clients that reconnect outlive any number of hubs, work again soon after each
// start, and keep nothing of those that were.
func TestSoakOfHubs(t *testing.T) {
	w := newTown(t)
	const n = 10
	var all [n]*plexus.Client
	for i := range all {
		c, err := plexus.Dial(t.Context(), w.address, &plexus.DialOptions{Reconnect: &client.Reconnect{Patience: patience}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all[i] = c
		_, err = plexus.Handle(c.Channel("soak"), fmt.Sprintf("m%d", i), func(_ context.Context, n int) (int, error) { return n + 1, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	works := func() {
		for i, c := range all {
			if !poll(func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				got, err := plexus.Call[int](ctx, c.Channel("soak"), fmt.Sprintf("m%d", (i+1)%n), i)
				return err == nil && got == i+1
			}) {
				t.Fatalf("client %d does not reach its neighbour", i)
			}
		}
	}
	var longest time.Duration
	rnd := rand.New(rand.NewPCG(3, 4))
	one := func() {
		w.hub.kill()
		w.hub = w.start("^listening on ", "serve")
		since := time.Now()
		works()
		longest = max(longest, time.Since(since))
		for range rnd.IntN(20) {
			works()
		}
	}
	turns := 0
	for over := time.Now().Add(*soakTime / 4); time.Now().Before(over); turns++ {
		one()
	}
	runtime.GC()
	files, memory, routines := ownFiles(), heap(), runtime.NumGoroutine()
	for over := time.Now().Add(*soakTime * 3 / 4); time.Now().Before(over); turns++ {
		one()
	}
	runtime.GC()
	t.Logf("%d hubs; %d clients all work again after %v at most; then and now: descriptors %d, %d; goroutines %d, %d; KiB of heap %d, %d",
		turns, n, longest, files, ownFiles(), routines, runtime.NumGoroutine(), memory>>10, heap()>>10)
	if ownFiles() > files+2 || runtime.NumGoroutine() > routines+2*n || heap() > 2*memory+4<<20 {
		t.Error("the clients have grown")
	}
}

func ownFiles() int {
	names, _ := os.ReadDir("/proc/self/fd")
	return len(names)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
