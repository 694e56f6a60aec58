// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/supervise"
)

const (
	childEnv = "PLEXUS_SUPERVISE_TEST_CHILD"
	initEnv  = "PLEXUS_SUPERVISE_TEST_INIT"
)

// A child may print before main begins.
var _ = func() int {
	if os.Getenv(initEnv) != "" {
		flood("init")
	}
	return 0
}()

// TestMain also serves as the child of the tests: the verb is in the environment.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(os.Getenv(childEnv)); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(7)
		}
		os.Exit(0)
	}
	leak.Main(m)
}

// patience is how long a test waits for what should come soon.
const patience = 30 * time.Second

func child(verb string) error {
	verb, argument, _ := strings.Cut(verb, " ")
	return childVerbs[verb](argument)
}

var childVerbs = map[string]func(argument string) error{
	"greet":      greet,
	"member":     func(string) error { return greet("member") },
	"deaf":       deaf,
	"fail":       func(string) error { return fmt.Errorf("on purpose") },
	"well":       func(string) error { return nil },
	"listen":     listenItself,
	"late":       late,
	"args":       arguments,
	"keep":       func(string) error { return supervise.Keep(os.Stdin, os.Args[1:]) },
	"mute":       func(string) error { select {} },
	"counter":    counter,
	"family":     family,
	"solo":       solo,
	"parentOf":   parentOf,
	"lingering":  lingering,
	"echo":       echo,
	"echoListen": echoListen,
}

// greet connects, offers greet and waits for its end. It prints a lot.
func greet(argument string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := supervise.Connect(ctx, nil)
	if err != nil {
		return err
	}
	defer p.Close()
	var at plexus.Provider = p.Client()
	if argument == "member" {
		at = p.Client().Channel("work")
	}
	_, err = plexus.Handle(at, "greet", func(_ context.Context, name string) (string, error) {
		if argument == "noisy" {
			flood("handler")
		}
		return "hello, " + name, nil
	})
	if err != nil {
		return err
	}
	if err := p.Ready(); err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// flood prints 1 MB to both descriptors by all ways there are, frames among it.
func flood(who string) {
	text := who + ": " + strings.Repeat("stray text, ", 1<<20/12/4) + "\n"
	fmt.Print(text)
	fmt.Fprint(os.Stderr, text)
	rawWrite(1, text)
	rawWrite(2, text)
	other := exec.Command("echo", who, "from another process")
	other.Stdout, other.Stderr = os.Stdout, os.Stderr
	_ = other.Run()
}

// deaf does not end when it is told to.
func deaf(string) error {
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGTERM)
	if err := p.Ready(); err != nil {
		return err
	}
	select {}
}

// listenItself is called by others.
func listenItself(string) error {
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = p.Listen(nil, func(s *plexus.Server) error {
		_, err := plexus.Handle(s, "twice", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
		return err
	})
	if err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// late connects and ends by itself after a last event.
func late(string) error {
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	if err := plexus.Send(context.Background(), p.Client(), "last", "words"); err != nil {
		return err
	}
	return p.Close()
}

// arguments says which it has got.
func arguments(string) error {
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = plexus.Call[bool](context.Background(), p.Client(), "report", report{Args: p.Args(), Dir: p.Dir(), Env: os.Environ()})
	return err
}

// report is what the child arguments calls with.
type report struct {
	Args []string
	Dir  string
	Env  []string
}

// self makes a Config whose child is this program.
func self(verb string, env ...string) *supervise.Config {
	return &supervise.Config{
		Name: strings.Fields(verb)[0], Argv: []string{os.Args[0]},
		Env:          append(append(os.Environ(), "GORACE=atexit_sleep_ms=0", childEnv+"="+verb), env...),
		StartTimeout: patience, StopTimeout: patience,
	}
}

// begin starts a child that is killed at the end of the test if it still runs.
func begin(t testing.TB, cfg *supervise.Config) *supervise.Child {
	t.Helper()
	c, err := supervise.Start(t.Context(), cfg)
	check(t, err)
	t.Cleanup(c.Kill)
	return c
}

// paper collects what a child prints.
type paper struct {
	mu    sync.Mutex
	lines []supervise.Line
}

func (p *paper) add(l supervise.Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, l)
}

func (p *paper) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, stderr := range []bool{false, true} {
		for _, l := range p.lines {
			if l.Stderr != stderr {
				continue
			}
			b.WriteString(l.Text)
			if !l.More {
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}

// await waits for a channel to be closed.
func await(t testing.TB, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s does not come", what)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code status.Code) {
	t.Helper()
	if err == nil || status.CodeOf(err) != code {
		t.Errorf("%v instead of %v", err, code)
	}
}

// ways are the hand-overs by which a child connects.
func ways() []supervise.Handover {
	return []supervise.Handover{supervise.FD, supervise.Stdio, supervise.Env, supervise.Args, supervise.Dapper}
}
