// SPDX-License-Identifier: Apache-2.0

package supervise_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/supervise"
)

const childEnv = "PLEXUS_SUPERVISE_TEST_CHILD"

// TestMain also serves as the child of the tests.
func TestMain(m *testing.M) {
	verbs := map[string]func() error{
		"greet":  greet,
		"mute":   func() error { <-time.After(time.Hour); return nil },
		"parent": parent,
		"fail":   func() error { return errors.New("on purpose") },
	}
	if verb := verbs[os.Getenv(childEnv)]; verb != nil {
		if err := verb(); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(7)
		}
		os.Exit(0)
	}
	leak.Main(m)
}

func greet() error {
	fmt.Println("before anything else")
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = plexus.Handle(p.Client(), "greet", func(_ context.Context, name string) (string, error) {
		fmt.Println("in between")
		return "hello, " + name, nil
	})
	if err != nil {
		return err
	}
	if _, err := plexus.Call[bool](context.Background(), p.Client(), "offered", true); err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// parent supervises a child that says nothing, until it is killed.
func parent() error {
	cfg := self("mute")
	cfg.Ready = supervise.Started
	c, err := supervise.Start(context.Background(), cfg)
	if err != nil {
		return err
	}
	fmt.Println(c.PID())
	select {}
}

func self(verb string) *supervise.Config {
	return &supervise.Config{Argv: []string{os.Args[0]}, Env: append(os.Environ(), childEnv+"="+verb), StopTimeout: 10 * time.Second}
}

// TestWays: what there is here carries calls, and prints break nothing.
func TestWays(t *testing.T) {
	for _, way := range []supervise.Handover{"", supervise.Stdio, supervise.Env, supervise.Args} {
		leak.Check(t)
		srv, err := plexus.NewServer(nil)
		check(t, err)
		defer srv.Close()
		offered := make(chan bool, 1)
		_, err = plexus.Handle(srv, "offered", func(context.Context, bool) (bool, error) { offered <- true; return true, nil })
		check(t, err)
		cfg := self("greet")
		var said []string
		cfg.Handover, cfg.Server, cfg.Output = way, srv, func(l supervise.Line) { said = append(said, l.Text) }
		c, err := supervise.Start(t.Context(), cfg)
		if errors.Is(err, windows.WSAEAFNOSUPPORT) {
			t.Logf("%s: there are no unix sockets here", way)
			continue
		}
		check(t, err)
		<-offered
		got, err := plexus.Call[string](t.Context(), c.Peer(), "greet", "world")
		if check(t, err); got != "hello, world" {
			t.Errorf("%q", got)
		}
		check(t, c.Stop(t.Context()))
		check(t, c.Err())
		if text := strings.Join(said, "|"); !strings.Contains(text, "before anything else") || !strings.Contains(text, "in between") {
			t.Errorf("%q: %q", way, said)
		}
		if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// TestFailures: what cannot be here says so; how a child ends is told.
func TestFailures(t *testing.T) {
	leak.Check(t)
	for _, cfg := range []*supervise.Config{{Argv: []string{"x"}, Handover: supervise.FD}, {Argv: []string{"x"}, Ready: supervise.Said}} {
		if _, err := supervise.Start(t.Context(), cfg); status.CodeOf(err) != status.Unsupported || !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	}
	_, err := supervise.Start(t.Context(), self("fail"))
	exit, ok := errors.AsType[*supervise.ExitError](err)
	if !ok || exit.Code != 7 || exit.Said != "child: on purpose" {
		t.Error(err)
	}
}

// TestParentKilled: the job ends a child whose parent is killed.
func TestParentKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=parent")
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	var pid uint32
	_, err = fmt.Sscan(line, &pid)
	check(t, err)
	child, err := windows.OpenProcess(windows.SYNCHRONIZE, false, pid)
	check(t, err)
	defer windows.CloseHandle(child)
	check(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if event, err := windows.WaitForSingleObject(child, 20_000); err != nil || event != windows.WAIT_OBJECT_0 {
		t.Errorf("the child lives on: %d, %v", event, err)
	}
	for _, left := range leftovers(t) {
		os.RemoveAll(left)
	}
}

// leftovers are the directories that nobody recognises here.
func leftovers(t *testing.T) []string {
	entries, err := os.ReadDir(os.TempDir())
	check(t, err)
	var all []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "plexus-child-") {
			all = append(all, os.TempDir()+`\`+e.Name())
		}
	}
	return all
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
