// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/supervise"
)

// TestWays: a child is started, called and stopped, whatever way it learns of its parent.
func TestWays(t *testing.T) {
	for _, way := range ways() {
		t.Run(string(way), func(t *testing.T) {
			leak.Check(t)
			cfg := self("greet")
			cfg.Handover = way
			c := begin(t, cfg)
			got, err := plexus.Call[string](t.Context(), c.Peer(), "greet", "world")
			if check(t, err); got != "hello, world" {
				t.Errorf("%q", got)
			}
			await(t, c.Ready(), "its report")
			dir := c.Dir()
			if st, err := os.Stat(dir); err != nil || st.Mode().Perm()&0o077 != 0 {
				t.Errorf("%v %v", st, err)
			}
			check(t, c.Stop(t.Context()))
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the directory: %v", err)
			}
			check(t, c.Err())
			check(t, c.Stop(t.Context()))
		})
	}
}

// TestStray: what a child prints, from its first instruction to its last, in whatever way,
// is collected and breaks no frame.
func TestStray(t *testing.T) {
	for _, way := range ways() {
		t.Run(string(way), func(t *testing.T) {
			leak.Check(t)
			cfg := self("greet noisy", initEnv+"=1")
			var said paper
			cfg.Handover, cfg.Output = way, said.add
			c := begin(t, cfg)
			for range 3 {
				_, err := plexus.Call[string](t.Context(), c.Peer(), "greet", "world")
				check(t, err)
			}
			check(t, c.Stop(t.Context()))
			check(t, c.Err())
			text := said.text()
			for who, times := range map[string]int{"init": 1, "handler": 3} {
				if n := strings.Count(text, who+": stray text, "); n != 4*times {
					t.Errorf("%d floods of %s", n, who)
				}
				if n := strings.Count(text, who+" from another process"); n != times {
					t.Errorf("%d prints of others than %s", n, who)
				}
			}
			if n := strings.Count(text, "stray text, "); n != 16*(1<<20/12/4) {
				t.Errorf("%d stray texts", n)
			}
		})
	}
}

// TestFailures: how a child ends is told, at once, with its last words.
func TestFailures(t *testing.T) {
	leak.Check(t)
	_, err := supervise.Start(t.Context(), self("fail"))
	wantCode(t, err, status.Unavailable)
	exit, ok := errors.AsType[*supervise.ExitError](err)
	if !ok || exit.Code != 7 || exit.Said != "child: on purpose" || exit.Name != "fail" {
		t.Errorf("%v %+v", err, exit)
	}
	_, err = supervise.Start(t.Context(), self("well"))
	wantCode(t, err, status.Unavailable)

	_, err = supervise.Start(t.Context(), &supervise.Config{Argv: []string{"/no/such/program"}})
	wantCode(t, err, status.FailedPrecondition)
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, cfg := range []*supervise.Config{
		nil, {}, {Argv: []string{"x"}, Handover: "pigeon"}, {Argv: []string{"x"}, Ready: "never"},
		{Argv: []string{"x"}, Handover: supervise.None, Ready: supervise.Connected},
		{Argv: []string{"x"}, Address: "unix:///x", Ready: supervise.Connected},
		{Argv: []string{"x"}, Address: "unix:///x", Handover: supervise.Stdio},
	} {
		_, err := supervise.Start(t.Context(), cfg)
		wantCode(t, err, status.InvalidArgument)
	}
	cfg := self("mute")
	cfg.StartTimeout = 50 * time.Millisecond
	_, err = supervise.Start(t.Context(), cfg)
	wantCode(t, err, status.DeadlineExceeded)
	ctx, cancel := context.WithCancel(t.Context())
	cfg = self("mute")
	cfg.Output = nil
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = supervise.Start(ctx, cfg)
	wantCode(t, err, status.Cancelled)
}

// TestKilled: the death of a child ends what is under way with it.
func TestKilled(t *testing.T) {
	leak.Check(t)
	c := begin(t, self("greet"))
	check(t, syscall.Kill(c.PID(), syscall.SIGKILL))
	await(t, c.Done(), "the end")
	exit, ok := errors.AsType[*supervise.ExitError](c.Err())
	if !ok || exit.Signal != "killed" || exit.Number != 9 || exit.Code != -1 {
		t.Errorf("%v", c.Err())
	}
	_, err := plexus.Call[string](t.Context(), c.Peer(), "greet", "world")
	if err == nil {
		t.Error("a dead child answers")
	}
}

// TestDeaf: who does not end is killed.
func TestDeaf(t *testing.T) {
	leak.Check(t)
	cfg := self("deaf")
	cfg.StopTimeout = 100 * time.Millisecond
	cfg.Ready = supervise.Said
	c := begin(t, cfg)
	wantCode(t, c.Stop(t.Context()), status.DeadlineExceeded)
	cfg.StopTimeout = patience
	c = begin(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantCode(t, c.Stop(ctx), status.Cancelled)
}

// TestListen: a child listens itself and says where.
func TestListen(t *testing.T) {
	leak.Check(t)
	cfg := self("listen")
	cfg.Handover, cfg.Ready = supervise.None, supervise.Said
	c := begin(t, cfg)
	client, err := plexus.Dial(t.Context(), c.Endpoint(), nil)
	check(t, err)
	defer client.Close()
	got, err := plexus.Call[int](t.Context(), client, "twice", 21)
	if check(t, err); got != 42 {
		t.Error(got)
	}
	if c.Peer() != nil || c.Server() != nil {
		t.Error("there is a connection that nobody has made")
	}
	check(t, c.Stop(t.Context()))
}

// TestLastWords: what a child has sent before its end arrives.
func TestLastWords(t *testing.T) {
	for _, way := range ways() {
		t.Run(string(way), func(t *testing.T) {
			leak.Check(t)
			srv, err := plexus.NewServer(nil)
			check(t, err)
			defer srv.Close()
			heard := make(chan string, 1)
			l := plexus.On(srv, "last", func(_ context.Context, s string) { heard <- s }, service.WithOnError(func(err error) { t.Error(err) }))
			defer l.Close()
			cfg := self("late")
			cfg.Handover, cfg.Server, cfg.Ready = way, srv, supervise.Started
			c := begin(t, cfg)
			await(t, c.Done(), "the end")
			check(t, c.Err())
			select {
			case s := <-heard:
				if s != "words" {
					t.Errorf("%q", s)
				}
			case <-time.After(patience):
				t.Error("nothing was heard")
			}
		})
	}
}

// TestArguments: a child sees its own arguments, not its parent's, and a clean environment.
func TestArguments(t *testing.T) {
	t.Setenv("PLEXUS_ENDPOINT", "fd://77")
	t.Setenv("PLEXUS_LIFELINE", "78")
	t.Setenv("PLEXUS_CHILD_DIR", "/nowhere")
	for _, way := range ways() {
		t.Run(string(way), func(t *testing.T) {
			leak.Check(t)
			srv, err := plexus.NewServer(nil)
			check(t, err)
			defer srv.Close()
			got := make(chan report, 1)
			_, err = plexus.Handle(srv, "report", func(_ context.Context, r report) (bool, error) { got <- r; return true, nil })
			check(t, err)
			cfg := self("args")
			cfg.Handover, cfg.Server, cfg.Ready, cfg.Argv = way, srv, supervise.Started, append(cfg.Argv, "-a", "b c")
			c := begin(t, cfg)
			await(t, c.Done(), "the end")
			check(t, c.Err())
			r := <-got
			if !slices.Equal(r.Args, []string{"-a", "b c"}) || r.Dir != c.Dir() || filepath.Base(r.Dir) == r.Dir {
				t.Errorf("%+v", r)
			}
			for _, e := range r.Env {
				if strings.HasPrefix(e, "PLEXUS_ENDPOINT") || strings.HasPrefix(e, "PLEXUS_LIFELINE") || strings.HasPrefix(e, "PLEXUS_CHILD_DIR") {
					t.Errorf("the child's children find %s", e)
				}
			}
		})
	}
}

// TestNoParent: a program that nobody supervises says so.
func TestNoParent(t *testing.T) {
	_, err := supervise.Connect(t.Context(), &supervise.ConnectOptions{Args: []string{"x"}})
	if !errors.Is(err, supervise.ErrNoParent) {
		t.Error(err)
	}
	_, err = supervise.Connect(t.Context(), &supervise.ConnectOptions{Args: []string{"--plexus-endpoint=://"}})
	wantCode(t, err, status.InvalidArgument)
	t.Setenv("PLEXUS_LIFELINE", "1")
	_, err = supervise.Connect(t.Context(), &supervise.ConnectOptions{Args: []string{}})
	wantCode(t, err, status.FailedPrecondition)
}

// TestSlowReader: what a child has printed is told however long the reader takes, also after
// its end.
func TestSlowReader(t *testing.T) {
	leak.Check(t)
	var said paper
	once := make(chan struct{})
	cfg := &supervise.Config{Argv: []string{"sh", "-c", "yes 'a line' | head -n 3000; echo last"}, Handover: supervise.None}
	cfg.Output = func(l supervise.Line) {
		if l.Text == "last" || len(said.lines) == 0 {
			<-time.After(300 * time.Millisecond) // longer than anybody waits for more
			if len(said.lines) == 0 {
				close(once)
			}
		}
		said.add(l)
	}
	c := begin(t, cfg)
	await(t, once, "the first line")
	await(t, c.Done(), "the end")
	if n := strings.Count(said.text(), "a line\n"); n != 3000 || !strings.HasSuffix(said.text(), "last\n") {
		t.Errorf("%d lines", n)
	}
}

// TestHeldOpen: who has left the group and holds the pipes, the lifeline and the connection
// open does not hold up the end.
func TestHeldOpen(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("there is no setsid here")
	}
	for _, way := range []supervise.Handover{supervise.FD, supervise.Stdio, supervise.Env} {
		leak.Check(t)
		cfg := &supervise.Config{Argv: []string{"sh", "-c", "setsid sleep 5 & echo hello"}, Ready: supervise.Started, Handover: way}
		var said paper
		cfg.Output = said.add
		c := begin(t, cfg)
		await(t, c.Done(), "the end")
		if said.text() != "hello\n" {
			t.Errorf("%q", said.text())
		}
	}
}

// TestMany: children that share a server do not get in each other's way.
func TestMany(t *testing.T) {
	leak.Check(t)
	srv, err := plexus.NewServer(nil)
	check(t, err)
	defer srv.Close()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			cfg := self("greet")
			cfg.Server, cfg.Handover = srv, ways()[i%len(ways())]
			c, err := supervise.Start(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Kill()
			if _, err := plexus.Call[string](t.Context(), c.Peer(), "greet", "world"); err != nil {
				t.Error(err)
			}
			if err := c.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
