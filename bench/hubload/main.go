// SPDX-License-Identifier: Apache-2.0

// Command hubload measures what a hub costs: memory for each channel, member and
// subscription, the time and the processor that a storm of joins takes, calls through it,
// and publications where a hundred thousand subscriptions have patterns. The hub is in this
// process and all clients are in another, over a unix socket.
//
//	go run ./bench/hubload [-members 1000] [-channels 10000] [-subscriptions 100000] [-calls 50000] [-only storm]
//
// Memory is the heap and the stacks that the hub's process has more than before, after a
// collection; figures of time depend on the machine and what else it does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
)

var (
	members       = flag.Int("members", 1000, "clients that join")
	channels      = flag.Int("channels", 10_000, "channels that one member is in")
	subscriptions = flag.Int("subscriptions", 100_000, "subscriptions with patterns, of a hundred members")
	calls         = flag.Int("calls", 50_000, "calls, one after the other and by 64 callers")
	only          = flag.String("only", "", "storm, channels, subscriptions or calls")
	role          = flag.String("role", "", "internal: what a child process does")
	address       = flag.String("address", "", "internal: where the hub is")
)

func main() {
	flag.Parse()
	do := measure
	if *role != "" {
		do = func() error { return play(*role, *address) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "hubload:", err)
		os.Exit(1)
	}
}

// measure runs everything, each part with a hub of its own.
func measure() error {
	fmt.Printf("%s/%s, %d processors, %s\n", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version())
	for _, part := range []struct {
		name string
		tell func(first, then usage, r report)
	}{
		{"storm", tellStorm}, {"channels", tellChannels}, {"subscriptions", tellSubscriptions}, {"calls", tellCalls},
	} {
		if *only != "" && *only != part.name {
			continue
		}
		if err := run(part.name, part.tell); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// report is what a child has measured.
type report struct {
	Took                  time.Duration // all of it
	P50, P99              time.Duration
	Rate, Parallel        float64 // calls in a second, by one caller and by 64
	First, FirstMax, Next time.Duration
}

// usage is what this process uses.
type usage struct {
	memory uint64
	cpu    time.Duration
}

func use() usage {
	runtime.GC()
	runtime.GC() // what the first has freed
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{m.HeapAlloc + m.StackInuse, cpuOf(os.Getpid())}
}

// run has a child play a role towards a new hub.
func run(name string, tell func(first, then usage, r report)) error {
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	at := "unix://" + filepath.Join(dir, "s")
	h := hub.New(hub.Config{
		MaxChannels: *channels + 100, MaxChannelsPerMember: *channels + 100, MaxSubscriptionsPerMember: *subscriptions + 100,
		MaxMembersPerChannel: *members + 100,
	})
	srv, err := plexus.Listen(at, &plexus.ListenOptions{Hub: h, MaxSessions: *members + 1000, MaxSessionRate: -1})
	if err != nil {
		return err
	}
	defer srv.Close()
	first := use()
	child := exec.Command(os.Args[0], append(os.Args[1:], "-role", name, "-address", at)...)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		then := use()
		var r report
		if err = json.Unmarshal(line, &r); err == nil {
			tell(first, then, r)
		}
	}
	in.Close() // the child goes
	if gone := child.Wait(); err == nil {
		err = gone
	}
	return err
}

func each(first, then usage, n int) string {
	return fmt.Sprintf("%.1f KiB each", float64(int64(then.memory-first.memory))/1024/float64(n))
}

func tellStorm(first, then usage, r report) {
	fmt.Printf("storm: %d clients connect, join and provide in %v, %v of the hub's processor; %s\n",
		*members, r.Took.Round(time.Millisecond), (then.cpu - first.cpu).Round(time.Millisecond), each(first, then, *members))
}

func tellChannels(first, then usage, r report) {
	fmt.Printf("channels: %d joined in %v; %s\n", *channels, r.Took.Round(time.Millisecond), each(first, then, *channels))
}

func tellSubscriptions(first, then usage, r report) {
	fmt.Printf("subscriptions: %d in %v; %s; first publication on a topic p50 %v, max %v, later ones %v (until received)\n",
		*subscriptions, r.Took.Round(time.Millisecond), each(first, then, *subscriptions), r.First, r.FirstMax, r.Next)
}

func tellCalls(first, then usage, r report) {
	fmt.Printf("calls: one caller %.0f/s, p50 %v, p99 %v; 64 callers %.0f/s; %v of the hub's processor\n",
		r.Rate, r.P50, r.P99, r.Parallel, (then.cpu - first.cpu).Round(time.Millisecond))
}

// play is the child: it does what the role says, reports, and goes when its stdin ends.
func play(role, at string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var r report
	var keep []*plexus.Client
	var err error
	began := time.Now()
	switch role {
	case "storm":
		keep, err = storm(ctx, at)
		r.Took = time.Since(began)
	case "channels":
		keep, err = join(ctx, at)
		r.Took = time.Since(began)
	case "subscriptions":
		keep, r, err = subscribe(ctx, at)
	case "calls":
		keep, r, err = call(ctx, at)
	default:
		err = fmt.Errorf("there is no role %s of %s", role, strings.Join(os.Args, " "))
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	for _, c := range keep {
		c.Close()
	}
	return err
}
