// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/wire"
)

type target struct{}

func (target) Call(c *session.Call)                             { c.Reply(session.Message{Codec: c.Codec, Payload: c.Payload}) }
func (target) Receive(s *session.Session, f *session.Frame)      {}
func (target) Bind(_ *session.Session, b wire.Bind) (session.Target, error) {
	if b.Name != "echo" {
		return nil, status.NoProvider
	}
	return target{}, nil
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func main() {
	ctx := context.Background()
	set := transport.NewSet(socket.New())
	if os.Args[1] == "serve" {
		ep, err := endpoint.Parse(os.Args[2])
		must(err)
		l, err := set.Listen(ctx, ep, nil)
		must(err)
		fmt.Println("ready")
		c, err := l.Accept()
		must(err)
		if p := os.Getenv("SPROF"); p != "" {
			f, _ := os.Create(p)
			pprof.StartCPUProfile(f)
		}
		s, err := session.Accept(ctx, c, &session.Config{Router: target{}})
		must(err)
		<-s.Done()
		if os.Getenv("SPROF") != "" {
			pprof.StopCPUProfile()
		}
		return
	}
	callers, _ := strconv.Atoi(os.Args[1])
	n, _ := strconv.Atoi(os.Args[2])
	size, _ := strconv.Atoi(os.Args[3])
	dir, _ := os.MkdirTemp("", "pb")
	defer os.RemoveAll(dir)
	addr := "unix://" + dir + "/s"
	if len(os.Args) > 4 {
		addr = os.Args[4]
	}
	cmd := exec.Command(os.Args[0], "serve", addr)
	out, _ := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	must(cmd.Start())
	out.Read(make([]byte, 10))
	ep, err := endpoint.Parse(addr)
	must(err)
	c, err := set.Dial(ctx, ep, nil)
	must(err)
	s, err := session.Dial(ctx, c, nil)
	must(err)
	r := s.Route(wire.Bind{Class: wire.ClassMethod, Name: "echo"})
	each := n / callers
	lats := make([][]time.Duration, callers)
	run := func(k int, rec bool) {
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				p := make([]byte, size)
				buf := make([]byte, 0, size)
				var l []time.Duration
				if rec {
					l = make([]time.Duration, 0, k)
				}
				for range k {
					t := time.Now()
					rep, err := r.Call(ctx, session.Message{Payload: p}, buf[:0])
					must(err)
					if len(rep.Payload) != size {
						panic("size")
					}
					if rec {
						l = append(l, time.Since(t))
					}
				}
				if rec {
					lats[i] = l
				}
			})
		}
		wg.Wait()
	}
	run(max(1, each/10), false)
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	if p := os.Getenv("CPROF"); p != "" {
		f, _ := os.Create(p)
		pprof.StartCPUProfile(f)
	}
	t0, c0 := time.Now(), cpu()
	run(each, true)
	el, c1 := time.Since(t0), cpu()
	if os.Getenv("CPROF") != "" {
		pprof.StopCPUProfile()
	}
	runtime.ReadMemStats(&m1)
	var all []time.Duration
	for _, l := range lats {
		all = append(all, l...)
	}
	slices.Sort(all)
	total := len(all)
	fmt.Printf("callers %d size %d: p50 %.2f p99 %.2f us, %.0f calls/s, client cpu %.2f us, allocs %.3f\n", callers, size,
		float64(all[total/2].Nanoseconds())/1e3, float64(all[total*99/100].Nanoseconds())/1e3,
		float64(total)/el.Seconds(), float64((c1-c0).Nanoseconds())/1e3/float64(total), float64(m1.Mallocs-m0.Mallocs)/float64(total))
	s.Close()
	cmd.Wait()
}
