// SPDX-License-Identifier: Apache-2.0

package stdio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/stdio"
)

const childEnv = "PLEXUS_STDIO_TEST_CHILD"

// child is what the test binary does as a child process.
func child(verb string) int {
	if err := childVerbs[verb](); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 7
	}
	return 0
}

var childVerbs = map[string]func() error{
	"listen":     func() error { return echo(accept) },
	"dial":       func() error { return echo(dial) },
	"restore":    restore,
	"garbage":    func() error { fmt.Println("panic: something went wrong"); return nil },
	"little":     func() error { fmt.Print("hi"); return nil },
	"fail":       func() error { return errors.New("on purpose") },
	"deaf":       func() error { select {} },
	"flood":      flood,
	"grandchild": grandchild,
}

func accept(ep endpoint.Endpoint) (transport.Conn, error) {
	tr := stdio.NewTransport()
	l, err := tr.Listen(context.Background(), ep, nil)
	if err != nil {
		return nil, err
	}
	if _, err := tr.Dial(context.Background(), ep, nil); !errors.Is(err, transport.ErrInUse) {
		return nil, fmt.Errorf("second use: %v", err)
	}
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { _, err := l.Accept(); done <- err }()
	if err := l.Close(); err != nil {
		return nil, err
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		return nil, fmt.Errorf("accept after close: %v", err)
	}
	return c, nil
}

func dial(ep endpoint.Endpoint) (transport.Conn, error) {
	return stdio.NewTransport().Dial(context.Background(), ep, nil)
}

// echo answers frames and prints a lot in between, also from a grandchild.
func echo(open func(endpoint.Endpoint) (transport.Conn, error)) error {
	ep, err := endpoint.Parse("stdio:")
	if err != nil {
		return err
	}
	c, err := open(ep)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := stray(); err != nil {
		return err
	}
	for {
		b, err := c.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println("stray print of", len(b.Bytes()), "bytes")
		err = c.Send(b.Bytes())
		b.Release()
		if err != nil {
			return err
		}
	}
}

// stray prints 1 MiB, lets another process print, and tries to read standard input.
func stray() error {
	fmt.Print(strings.Repeat("stray text, ", 1<<20/12))
	again := exec.Command(os.Args[0])
	again.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childEnv+"=garbage")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		return err
	}
	if n, err := os.Stdin.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return fmt.Errorf("standard input gives %d bytes, %v", n, err)
	}
	return nil
}

// restore takes standard output and gives it back.
func restore() error {
	ep, err := endpoint.Parse("stdio:")
	if err != nil {
		return err
	}
	tr := stdio.NewTransport()
	for range 3 {
		l, err := tr.Listen(context.Background(), ep, nil)
		if err != nil {
			return err
		}
		fmt.Println("this goes to standard error")
		if err := l.Close(); err != nil {
			return err
		}
	}
	_, err = os.Stdout.Write(frame("restored"))
	return err
}

// flood writes frames for ever, until nobody reads.
func flood() error {
	p := bytes.Repeat(frame("flood"), 1000)
	for {
		if _, err := os.Stdout.Write(p); err != nil {
			return err
		}
	}
}

// grandchild leaves a process behind that holds standard output open.
func grandchild() error {
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), childEnv+"=deaf")
	other.Stdout = os.Stdout
	if err := other.Start(); err != nil {
		return err
	}
	_, err := os.Stdout.Write(frame(fmt.Sprintf("%d", other.Process.Pid)))
	return err
}

// command starts a child; its standard error is collected.
func command(t *testing.T, verb string) (transport.Conn, *exec.Cmd, *log) {
	t.Helper()
	said := new(log)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childEnv+"="+verb)
	cmd.Stderr = said
	c, err := stdio.Command(cmd)
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, cmd, said
}

// log collects text.
type log struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestChild: prints of the child, before and between frames, do not touch the protocol.
func TestChild(t *testing.T) {
	for _, verb := range []string{"listen", "dial"} {
		t.Run(verb, func(t *testing.T) {
			leak.Check(t)
			c, cmd, said := command(t, verb)
			for range 100 {
				check(t, c.Send(frame("hello")))
				if got := receive(t, c); got != "hello" {
					t.Fatalf("%q", got)
				}
			}
			check(t, c.Close())
			if !cmd.ProcessState.Success() {
				t.Error(cmd.ProcessState)
			}
			for _, want := range []string{"stray text, ", "stray print of 9 bytes", "panic: something went wrong"} {
				if !strings.Contains(said.String(), want) {
					t.Errorf("the log lacks %q", want)
				}
			}
		})
	}
}

// TestRestore: a listener that never accepted gives standard output back.
func TestRestore(t *testing.T) {
	c, _, said := command(t, "restore")
	if got := receive(t, c); got != "restored" {
		t.Errorf("%q", got)
	}
	check(t, c.Close())
	if strings.Count(said.String(), "this goes to standard error") != 3 {
		t.Errorf("%q", said)
	}
}

// TestGarbage: text instead of frames is quoted.
func TestGarbage(t *testing.T) {
	c, _, _ := command(t, "garbage")
	_, err := c.Recv()
	var fe *transport.FrameError
	if !errors.As(err, &fe) || !strings.Contains(err.Error(), "panic: something went wrong") {
		t.Error(err)
	}
	check(t, c.Close())
	c, _, _ = command(t, "little")
	if _, err := c.Recv(); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

// TestChildEnds: its end is the end of the Conn, and Close tells how it ended.
func TestChildEnds(t *testing.T) {
	c, _, said := command(t, "fail")
	if _, err := c.Recv(); err != io.EOF {
		t.Error(err)
	}
	var ee *exec.ExitError
	if err := c.Close(); !errors.As(err, &ee) || ee.ExitCode() != 7 || !strings.Contains(said.String(), "on purpose") {
		t.Errorf("%v, %q", err, said)
	}
	c, cmd, _ := command(t, "listen")
	check(t, c.Send(frame("hello")))
	receive(t, c)
	check(t, cmd.Process.Kill())
	if _, err := c.Recv(); err != io.EOF {
		t.Error(err)
	}
}

// TestGrandchild: a grandchild that holds the pipe open does not hold up the end.
func TestGrandchild(t *testing.T) {
	leak.Check(t)
	c, _, _ := command(t, "grandchild")
	var pid int
	_, err := fmt.Sscan(receive(t, c), &pid)
	check(t, err)
	defer killProcess(t, pid)
	if _, err := c.Recv(); err != io.EOF {
		t.Error(err)
	}
	c.(transport.Interrupter).Interrupt()
	if _, err := c.Recv(); !errors.Is(err, transport.ErrInterrupted) {
		t.Error(err)
	}
	if _, err := c.Recv(); err != io.EOF {
		t.Error(err)
	}
	check(t, c.Close())
}

func killProcess(t *testing.T, pid int) {
	p, err := os.FindProcess(pid)
	check(t, err)
	check(t, p.Kill())
	_ = p.Release()
}

// TestDeafChild: Close kills a child that does not end, also while a Recv is pending, and
// one that never stops writing.
func TestDeafChild(t *testing.T) {
	for _, verb := range []string{"deaf", "flood"} {
		t.Run(verb, func(t *testing.T) {
			leak.Check(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childEnv+"="+verb)
			cmd.WaitDelay = 100 * time.Millisecond
			c, err := stdio.Command(cmd)
			check(t, err)
			done := make(chan error, 1)
			go func() {
				for {
					b, err := c.Recv()
					if err != nil {
						done <- err
						return
					}
					b.Release()
				}
			}()
			if err := c.Close(); err == nil || !strings.Contains(err.Error(), "did not end within 100ms") {
				t.Error(err)
			}
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v instead of net.ErrClosed", err)
			}
			if cmd.ProcessState == nil {
				t.Error("the child was not waited for")
			}
		})
	}
}

// TestCommandRefuses what cannot work.
func TestCommandRefuses(t *testing.T) {
	leak.Check(t)
	cmd := exec.Command(os.Args[0])
	cmd.Stdout = io.Discard
	if _, err := stdio.Command(cmd); err == nil {
		t.Error("a command with standard output is accepted")
	}
	if _, err := stdio.Command(exec.Command("/no/such/program")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
