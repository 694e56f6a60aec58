// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/status"
)

// providerEnv has a process be a provider at this address; with hangEnv its method never answers.
// With listenEnv it is a server there, instead of a client of a hub.
const (
	providerEnv = "PLEXUS_POLICY_TEST_PROVIDER"
	listenEnv   = "PLEXUS_POLICY_TEST_LISTEN"
	hangEnv     = "PLEXUS_POLICY_TEST_HANG"
)

// provide provides work/pid until stdin ends, and says on stdout what happens.
func provide(address string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	var at plexus.Provider
	listen := func() error { return nil } // once all is offered
	if os.Getenv(listenEnv) != "" {
		srv, err := plexus.NewServer(nil)
		fail(err)
		defer srv.Close()
		at, listen = srv, func() error { return srv.Bind(context.Background(), address) }
	} else {
		c, err := plexus.Dial(context.Background(), address, nil)
		fail(err)
		defer c.Close()
		at = c.Channel("work")
	}
	hangs := os.Getenv(hangEnv) != ""
	_, err := plexus.Handle(at, "pid", func(ctx context.Context, _ string) (int, error) {
		if hangs {
			fmt.Println("called")
			<-ctx.Done()
		}
		return os.Getpid(), ctx.Err()
	})
	fail(err)
	fail(listen())
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// provider is such a process.
type provider struct {
	*exec.Cmd
	lines *bufio.Scanner
	stdin io.Closer
}

// start starts one and returns once it provides.
func start(t *testing.T, address string, hangs bool, env ...string) *provider {
	t.Helper()
	p := &provider{Cmd: exec.Command(os.Args[0], "-test.run=^$")}
	p.Env = append(append(os.Environ(), providerEnv+"="+address), env...)
	if hangs {
		p.Env = append(p.Env, hangEnv+"=1")
	}
	in, err := p.StdinPipe()
	must(t, err)
	out, err := p.StdoutPipe()
	must(t, err)
	p.stdin, p.lines = in, bufio.NewScanner(out)
	must(t, p.Start())
	t.Cleanup(func() { p.kill() })
	p.await(t, "ready")
	return p
}

// await returns when the process has said so.
func (p *provider) await(t *testing.T, line string) {
	t.Helper()
	if !p.lines.Scan() || p.lines.Text() != line {
		t.Fatalf("the provider says %q, %v", p.lines.Text(), p.lines.Err())
	}
}

// kill ends it with SIGKILL.
func (p *provider) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
	_ = p.stdin.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// town is a hub on a socket and a client of it.
func town(t *testing.T) (address string, c *plexus.Client) {
	t.Helper()
	dir, err := os.MkdirTemp("", "policy")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	address = "unix://" + filepath.ToSlash(filepath.Join(dir, "hub"))
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	must(t, err)
	t.Cleanup(func() { srv.Close() })
	c, err = plexus.Dial(t.Context(), address, nil)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return address, c
}

// A provider is killed while it serves two calls: the idempotent one is answered by the process
// that follows it, the other fails once and is not made again.
func TestProviderKilled(t *testing.T) {
	address, c := town(t)
	old := start(t, address, true)
	work := policy.Wrap(c.Channel("work"), policy.Retry{Attempts: 1000, Base: 5 * time.Millisecond, MaxDelay: 50 * time.Millisecond, Budget: -1})

	type end struct {
		pid int
		err error
		at  time.Time
	}
	begin := func(opts ...plexus.Option) chan end {
		ends := make(chan end, 1)
		go func() {
			pid, err := plexus.Call[int](t.Context(), work, "pid", "", opts...)
			ends <- end{pid, err, time.Now()}
		}()
		old.await(t, "called")
		return ends
	}
	once, again := begin(), begin(plexus.WithIdempotent())
	killed := time.Now()
	old.kill()
	e := <-once
	if !errors.Is(e.err, status.PeerGone) || policy.Attempts(e.err) != 1 || status.Retryable(e.err) {
		t.Errorf("the plain call: %v", e.err)
	}
	t.Logf("the plain call failed %v after the kill", e.at.Sub(killed).Round(10*time.Microsecond))
	successor := start(t, address, false)
	ready := time.Now()
	e = <-again
	if e.err != nil || e.pid != successor.Process.Pid {
		t.Errorf("the idempotent call: %d, %v", e.pid, e.err)
	}
	t.Logf("the idempotent call was answered %v after the successor was ready, with %d retries", e.at.Sub(ready).Round(10*time.Microsecond), work.Stats().Retries)
}

// While nobody provides the method the breaker opens, and closes once somebody does.
func TestBreakerSeesProviderKilled(t *testing.T) {
	address, c := town(t)
	old := start(t, address, false)
	changes := make(chan policy.BreakerState, 64)
	work := policy.Wrap(c.Channel("work"), policy.Breaker{OpenFor: 100 * time.Millisecond, OnState: func(s policy.BreakerState) { changes <- s }})
	pid := func() (int, error) { return plexus.Call[int](t.Context(), work, "pid", "") }
	for range 3 {
		if n, err := pid(); err != nil || n != old.Process.Pid {
			t.Fatal(n, err)
		}
	}
	old.kill()
	var err error
	for range 50 {
		if _, err = pid(); errors.Is(err, policy.ErrOpen) {
			break
		}
	}
	st := <-changes
	if !errors.Is(err, policy.ErrOpen) || st.Phase != policy.Open || st.Method != "work/pid" || !errors.Is(st.Last, status.NoProvider) {
		t.Fatalf("%v, %+v", err, st)
	}
	successor := start(t, address, false)
	patient := policy.Wrap(work, policy.Retry{})
	n, err := plexus.Call[int](t.Context(), patient, "pid", "")
	if err != nil || n != successor.Process.Pid {
		t.Errorf("%d, %v", n, err)
	}
	for st.Phase != policy.Closed {
		st = <-changes
	}
}

// A server of its own is killed again and again while a pool's callers are at work: with Retry
// around the pool no idempotent call fails, and those that may not be made twice say so.
func TestPoolServerKilled(t *testing.T) {
	dir, err := os.MkdirTemp("", "policy")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := "unix://" + filepath.ToSlash(filepath.Join(dir, "server"))
	srv := start(t, address, false, listenEnv+"=1")
	pool := client.NewPool(client.PoolConfig{Calls: 1, Dial: func(ctx context.Context) (*plexus.Client, error) {
		return plexus.Dial(ctx, address, nil)
	}})
	defer pool.Close()
	work := policy.Wrap(pool, policy.Retry{Attempts: 1000, Base: 5 * time.Millisecond, MaxDelay: 50 * time.Millisecond, Budget: -1})

	var calls, lost atomic.Int64
	over := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 8 {
		var opts []plexus.Option
		if g%2 == 0 {
			opts = append(opts, plexus.WithIdempotent())
		}
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				_, err := plexus.Call[int](t.Context(), work, "pid", "", opts...)
				calls.Add(1)
				if err != nil && (g%2 == 0 || !errors.Is(err, status.PeerGone) || status.Retryable(err)) {
					t.Errorf("idempotent %v: %v", g%2 == 0, err)
				}
				if err != nil {
					lost.Add(1)
				}
			}
		})
	}
	const kills = 5
	for range kills {
		for seen := calls.Load(); calls.Load() < seen+200; {
			runtime.Gosched()
		}
		srv.kill()
		srv = start(t, address, false, listenEnv+"=1")
	}
	close(over)
	wg.Wait()
	if n := lost.Load(); n > 4*kills*client.DefaultMaxOpen {
		t.Errorf("%d calls were lost by %d kills of 4 callers, who had %d sessions", n, kills, client.DefaultMaxOpen)
	}
	st := pool.Stats()
	t.Logf("%d kills, %d calls, %d may have taken effect and were lost, %d retries, %d moved, %d sessions opened", kills, calls.Load(), lost.Load(), work.Stats().Retries, st.Moved, st.Opened)
}
