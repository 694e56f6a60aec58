// SPDX-License-Identifier: Apache-2.0

// Command relay measures the hub over unix sockets, in three processes: publications from
// one publisher through the hub to subscribers with a connection each, or calls. Plexus
// goes through its facade (raw codec, default session settings); beside it is the floor, a
// blind relay that parses nothing. Rounds are interleaved; it prints medians with minimum
// and maximum, and the ratio of the medians.
//
//	go run ./bench/relay [-rounds 5] [-subscribers 1,8,100] [-callers 1,64] [-sizes 64,1024] [-n 1000000]
//	go run ./bench/relay -idle 1000
//
// "in place" are subscribers that read each publication where it came (Subscription.Borrow)
// instead of ranging over []byte of their own.
//
// With -against a binary of another build of this program takes part as "old".
//
// A publication counts once for each subscriber that got it. The publisher keeps at most a
// window ahead of the slowest subscriber, so that none is dropped; what was dropped
// nevertheless is printed. The floor carries the bytes of the frames: the payload and 40
// bytes of header each.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	rounds      = flag.Int("rounds", 5, "rounds, interleaved")
	count       = flag.Int("n", 1_000_000, "deliveries of 64 B per round; fewer for longer ones")
	calls       = flag.Int("calls", 50_000, "calls per round")
	subscribers = flag.String("subscribers", "1,8,100", "how many subscribers, each with a connection; empty for no publications")
	callers     = flag.String("callers", "1,64", "how many callers at a time; empty for no calls")
	sizes       = flag.String("sizes", "64,1024", "payloads in bytes, of publications")
	idle        = flag.Int("idle", 0, "measure instead a hub with so many connections that rest")
	span        = flag.Int("span", 30, "how many seconds they rest")
	against     = flag.String("against", "", "a binary of another build, to compare with")
	only        = flag.String("only", "", "plexus, old or floor, to look at one alone")
	profile     = flag.String("profile", "", "write CPU profiles of all processes of plexus into this folder")
	role        = flag.String("role", "", "internal: what a child process does")
	spec        = flag.String("spec", "", "internal: what it does it with")
)

func main() {
	flag.Parse()
	if *role != "" {
		serve()
		return
	}
	var err error
	if *idle > 0 {
		err = rest(*idle)
	} else {
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

// job is what a child process is told.
type job struct {
	System string // plexus or floor
	At     string // where the hub listens
	N      int    // messages per connection, or calls
	Warm   int    // of them, not measured
	Size   int
	Fan    int // subscribers or callers
	Calls  bool
	Borrow bool // subscribers read in place
	Result string
}

// used is what a process has used for its part.
type used struct {
	Seconds float64 // of the clock
	CPU     float64 // seconds
	Mallocs uint64
	Count   int // messages delivered
	Dropped uint64
	P50     float64 // µs, of calls
	Begin   int64   // of the clock, in ns; End too
	End     int64
}

// meter measures this process.
type meter struct {
	at  time.Time
	cpu time.Duration
	mem runtime.MemStats
}

func begin() *meter {
	m := &meter{}
	runtime.ReadMemStats(&m.mem)
	m.cpu, m.at = cpuOf(os.Getpid()), time.Now()
	return m
}

func (m *meter) end() used {
	now := time.Now()
	cpu := cpuOf(os.Getpid()) - m.cpu
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return used{
		Seconds: now.Sub(m.at).Seconds(), CPU: cpu.Seconds(), Mallocs: mem.Mallocs - m.mem.Mallocs,
		Begin: m.at.UnixNano(), End: now.UnixNano(),
	}
}

func (u used) write(path string) {
	b, err := json.Marshal(u)
	check(err)
	check(os.WriteFile(path, b, 0o600))
}

// serve is main of a child process.
func serve() {
	var j job
	check(json.Unmarshal([]byte(*spec), &j))
	if *profile != "" && j.System == "plexus" {
		f, err := os.Create(filepath.Join(*profile, *role+".pprof"))
		check(err)
		check(pprof.StartCPUProfile(f))
		defer f.Close()
		defer pprof.StopCPUProfile()
	}
	parts := map[string]func(job){
		"plexus/hub": plexusHub, "plexus/publisher": plexusPublisher, "plexus/subscriber": plexusSubscriber,
		"plexus/provider": plexusProvider, "plexus/caller": plexusCaller, "plexus/resting": plexusResting,
		"floor/hub": floorHub, "floor/publisher": floorPublisher, "floor/subscriber": floorSubscriber,
		"floor/provider": floorProvider, "floor/caller": floorCaller,
	}
	parts[j.System+"/"+*role](j)
}

// untilParentGoes returns when standard input has ended.
func untilParentGoes() { _, _ = io.Copy(io.Discard, os.Stdin) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// result is one round.
type result struct{ p50, rate, cpu, hubCPU, mallocs, dropped float64 }

func run() error {
	for _, fan := range numbers(*subscribers) {
		for _, size := range numbers(*sizes) {
			n := max(*count/fan, 1000) * 64 / max(size/4, 64)
			if err := compare(fmt.Sprintf("publish 1→%d, %d B", fan, size), "deliveries", publishing, job{N: n, Size: size, Fan: fan}); err != nil {
				return err
			}
		}
	}
	for _, fan := range numbers(*callers) {
		if err := compare(fmt.Sprintf("calls, 64 B, %d callers", fan), "calls", calling, job{N: *calls, Size: 64, Fan: fan, Calls: true}); err != nil {
			return err
		}
	}
	return nil
}

func numbers(list string) (all []int) {
	for f := range strings.SplitSeq(list, ",") {
		if n, err := strconv.Atoi(f); err == nil && n > 0 {
			all = append(all, n)
		}
	}
	return all
}

// compare measures all systems and prints a table.
func compare(title, unit string, measure func(binary string, j job) (result, error), j job) error {
	all := map[string][]result{}
	systems := []string{"plexus", "in place", "old", "floor"}
	for range *rounds {
		for _, s := range systems {
			binary, own := os.Args[0], j
			own.System = s
			switch s {
			case "old":
				binary, own.System = *against, "plexus"
			case "in place":
				own.System, own.Borrow = "plexus", true
			}
			if binary == "" || j.Calls && own.Borrow || *only != "" && s != *only {
				continue
			}
			if s == "floor" && unit != "calls" {
				own.N *= 4
			}
			own.Warm = own.N / 10
			r, err := measure(binary, own)
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			all[s] = append(all[s], r)
		}
	}
	fmt.Println(title)
	for _, s := range systems {
		report(s, unit, all[s], all["floor"])
	}
	return nil
}

// report prints a line.
func report(system, unit string, rs, floor []result) {
	if len(rs) == 0 {
		return
	}
	rate, low, high := median(rs, func(r result) float64 { return r.rate })
	p50, _, _ := median(rs, func(r result) float64 { return r.p50 })
	cpu, _, _ := median(rs, func(r result) float64 { return r.cpu })
	hub, _, _ := median(rs, func(r result) float64 { return r.hubCPU })
	mallocs, _, _ := median(rs, func(r result) float64 { return r.mallocs })
	dropped, _, _ := median(rs, func(r result) float64 { return r.dropped })
	fmt.Printf("  %-8s %9.0f %s/s [%.0f–%.0f]  cpu %6.3f µs (hub %.3f)  %.2f allocs", system, rate, unit, low, high, cpu, hub, mallocs)
	if p50 > 0 {
		fmt.Printf("  p50 %.1f µs", p50)
	}
	if dropped > 0 {
		fmt.Printf("  dropped %.0f", dropped)
	}
	if len(floor) > 0 && system != "floor" {
		r, _, _ := median(floor, func(r result) float64 { return r.rate })
		c, _, _ := median(floor, func(r result) float64 { return r.cpu })
		fmt.Printf("  rate %.2f ×, cpu %.2f ×", rate/r, cpu/c)
		if p, _, _ := median(floor, func(r result) float64 { return r.p50 }); p > 0 {
			fmt.Printf(", p50 %.2f ×", p50/p)
		}
		fmt.Print(" the floor")
	}
	fmt.Println()
}

func median(rs []result, f func(result) float64) (mid, low, high float64) {
	var v []float64
	for _, r := range rs {
		v = append(v, f(r))
	}
	slices.Sort(v)
	return v[len(v)/2], v[0], v[len(v)-1]
}
