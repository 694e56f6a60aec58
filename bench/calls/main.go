// SPDX-License-Identifier: Apache-2.0

// Command calls measures calls over a unix socket or TCP between two processes: Plexus
// through its facade (a bound call of 64 bytes, raw codec), beside the floor, which is the
// least that Go can do on the same socket. It interleaves rounds and prints medians with
// minimum and maximum, and the ratio of the medians.
//
//	go run ./bench/calls [-rounds 5] [-n 100000] [-size 64] [-callers 1,64] [-transport unix|tcp]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
)

var (
	rounds    = flag.Int("rounds", 5, "rounds, interleaved")
	count     = flag.Int("n", 100_000, "calls per round and caller set")
	size      = flag.Int("size", 64, "payload in bytes")
	callers   = flag.String("callers", "1,64", "how many callers at a time")
	transport = flag.String("transport", "unix", "unix or tcp")
	only      = flag.String("only", "", "plexus or floor, to look at one alone")
	profile   = flag.String("profile", "", "write CPU profiles of both sides into this folder")
	role      = flag.String("role", "", "internal: what a child process does")
	at        = flag.String("at", "", "internal: the address of a child process")
)

func main() {
	flag.Parse()
	defer profiled()()
	if *role != "" {
		serve(*role, *at)
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "calls:", err)
		os.Exit(1)
	}
}

// profiled starts a CPU profile, if one is wanted, and returns what ends it.
func profiled() func() {
	if *profile == "" {
		return func() {}
	}
	name := "client"
	if *role != "" {
		name = "server-" + *role
	}
	f, err := os.Create(filepath.Join(*profile, name+".pprof"))
	check(err)
	check(pprof.StartCPUProfile(f))
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}
}

// system is something to measure.
type system struct {
	name string
	dial func(address string, callers int) (call func(caller int, payload []byte) int, done func(), err error)
}

var systems = []system{{"plexus", dialPlexus}, {"floor", dialFloor}}

// result is one round.
type result struct{ p50, p99, rate, cpu float64 }

func run() error {
	for _, c := range strings.Split(*callers, ",") {
		n, err := strconv.Atoi(c)
		if err != nil {
			return err
		}
		all := map[string][]result{}
		for range *rounds {
			for _, s := range systems {
				if *only != "" && s.name != *only {
					continue
				}
				r, err := measure(s, n)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				all[s.name] = append(all[s.name], r)
			}
		}
		report(n, all)
	}
	return nil
}

func report(callers int, all map[string][]result) {
	fmt.Printf("%s, %d B, %d callers\n", *transport, *size, callers)
	var rate, p50, cpu = map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, s := range systems {
		rs := all[s.name]
		if len(rs) == 0 {
			continue
		}
		pick := func(f func(result) float64) (median, low, high float64) {
			var v []float64
			for _, r := range rs {
				v = append(v, f(r))
			}
			slices.Sort(v)
			return v[len(v)/2], v[0], v[len(v)-1]
		}
		m, lo, hi := pick(func(r result) float64 { return r.p50 })
		p99, _, _ := pick(func(r result) float64 { return r.p99 })
		q, qlo, qhi := pick(func(r result) float64 { return r.rate })
		c, _, _ := pick(func(r result) float64 { return r.cpu })
		rate[s.name], p50[s.name], cpu[s.name] = q, m, c
		fmt.Printf("  %-7s p50 %6.1f µs [%.1f–%.1f]  p99 %6.1f µs  %8.0f calls/s [%.0f–%.0f]  cpu %5.2f µs/call\n", s.name, m, lo, hi, p99, q, qlo, qhi, c)
	}
	if *only != "" {
		return
	}
	fmt.Printf("  ratio   p50 %.2f × the floor, rate %.2f × the floor, cpu %.2f × the floor\n", p50["plexus"]/p50["floor"], rate["plexus"]/rate["floor"], cpu["plexus"]/cpu["floor"])
}

// measure starts the serving process, warms up and takes one round.
func measure(s system, callers int) (result, error) {
	dir, err := os.MkdirTemp("", "plexus-bench")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	address := "unix://" + dir + "/s"
	if *transport == "tcp" {
		address = "tcp://127.0.0.1:0"
	}
	cmd := exec.Command(os.Args[0], "-role", s.name, "-at", address, "-size", strconv.Itoa(*size), "-profile", *profile)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return result{}, err
	}
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	defer func() { stdin.Close(); cmd.Wait() }()
	if _, err := fmt.Fscanln(out, &address); err != nil {
		return result{}, err
	}
	call, done, err := s.dial(address, callers)
	if err != nil {
		return result{}, err
	}
	defer done()
	loop(call, callers, *count/10/callers, nil)
	lat := make([][]time.Duration, callers)
	cpu := cpuOf(os.Getpid()) + cpuOf(cmd.Process.Pid)
	began := time.Now()
	loop(call, callers, *count/callers, lat)
	took := time.Since(began)
	cpu = cpuOf(os.Getpid()) + cpuOf(cmd.Process.Pid) - cpu
	all := slices.Concat(lat...)
	slices.Sort(all)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	return result{us(all[len(all)/2]), us(all[len(all)*99/100]), float64(len(all)) / took.Seconds(), us(cpu) / float64(len(all))}, nil
}

func loop(call func(int, []byte) int, callers, n int, lat [][]time.Duration) {
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			payload := make([]byte, *size)
			own := make([]time.Duration, 0, n)
			for range n {
				t := time.Now()
				if got := call(i, payload); got != *size {
					panic(fmt.Sprintf("%d bytes came back", got))
				}
				own = append(own, time.Since(t))
			}
			if lat != nil {
				lat[i] = own
			}
		})
	}
	wg.Wait()
}

func serve(role, address string) {
	if role == "floor" {
		serveFloor(address)
		return
	}
	srv, err := plexus.Listen(address, nil)
	check(err)
	_, err = plexus.Handle(srv, "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	check(err)
	fmt.Println(srv.Endpoints()[0])
	untilParentGoes()
	srv.Close()
}

func dialPlexus(address string, _ int) (func(int, []byte) int, func(), error) {
	c, err := plexus.Dial(context.Background(), address, nil)
	if err != nil {
		return nil, nil, err
	}
	echo := plexus.Bind[[]byte, []byte](c, "echo")
	return func(_ int, p []byte) int {
		out, err := echo.Call(context.Background(), p)
		check(err)
		return len(out)
	}, func() { c.Close() }, nil
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
