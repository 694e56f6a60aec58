// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// child is what the test binary does as a child process: the verb and the address are in
// the environment. It starts with a line on standard input, reports a line, and ends with
// standard input.
func child() int {
	verb, address, _ := strings.Cut(os.Getenv(childEnv), " ")
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	ep, err := endpoint.Parse(address)
	if err == nil {
		err = childVerbs[verb](ep)
	}
	if err != nil {
		fmt.Println("error:", err)
		return 0
	}
	_, _ = io.Copy(io.Discard, in)
	return 0
}

var childVerbs = map[string]func(endpoint.Endpoint) error{
	"serve": func(ep endpoint.Endpoint) error {
		l, err := socket.New().Listen(context.Background(), ep, nil)
		if err == nil {
			fmt.Println("serving", l.Endpoint())
		}
		return err
	},
	"dial": func(ep endpoint.Endpoint) error {
		_, err := socket.New().Dial(context.Background(), ep, nil)
		if err == nil {
			fmt.Println("connected")
		}
		return err
	},
	"starve": starve,
}

// starve accepts without a free descriptor, then with one.
func starve(ep endpoint.Endpoint) error {
	l, err := socket.New().Listen(context.Background(), ep, nil)
	if err != nil {
		return err
	}
	fmt.Println("serving", l.Endpoint())
	var files []*os.File
	err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 40, Max: 40})
	for err == nil {
		var f *os.File
		if f, err = os.Open(os.DevNull); err == nil {
			files = append(files, f)
		}
	}
	for range 3 {
		if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
			return fmt.Errorf("accept: %v instead of EMFILE", err)
		}
	}
	for _, f := range files {
		_ = f.Close()
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	fmt.Println("accepted")
	return c.Send([]byte{8, 0, 0, 0, 1, 2, 3, 4})
}

// process is a running child.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// spawn starts a child, which waits for go_.
func spawn(t *testing.T, verb string, ep endpoint.Endpoint) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childEnv+"="+verb+" "+ep.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	return &process{cmd, in, bufio.NewReader(out)}
}

// release lets the child begin.
func (p *process) release(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(p.in, "go\n")
	check(t, err)
}

// line returns the next line of the child, "" at its end.
func (p *process) line() string {
	s, _ := p.out.ReadString('\n')
	return strings.TrimSpace(s)
}

// kill ends the child without giving it a chance.
func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.in.Close()
	_ = p.Wait()
}

// leave ends the child by the end of its input.
func (p *process) leave(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	check(t, p.Wait())
}

// TestSimultaneousStarts: of 50 processes exactly one serves, with and without a socket
// left over from a crash, and the others name it.
func TestSimultaneousStarts(t *testing.T) {
	for _, scheme := range []string{"unix", "unixgram"} {
		ep := path(scheme)(t)
		for _, name := range []string{"fresh", "stale"} {
			t.Run(scheme+"/"+name, func(t *testing.T) { startMany(t, ep, 50) })
		}
	}
}

func startMany(t *testing.T, ep endpoint.Endpoint, n int) {
	all := make([]*process, n)
	for i := range all {
		all[i] = spawn(t, "serve", ep)
	}
	for _, p := range all {
		p.release(t)
	}
	lines, winner := make([]string, n), -1
	for i, p := range all {
		lines[i] = p.line()
		if strings.HasPrefix(lines[i], "serving") {
			if winner >= 0 {
				t.Error("two processes serve")
			}
			winner = i
		}
	}
	if winner < 0 {
		t.Fatal("nobody serves: ", lines[0])
	}
	for i, line := range lines {
		if i != winner && !strings.Contains(line, fmt.Sprintf("already served by pid %d;", all[winner].Process.Pid)) {
			t.Errorf("a loser says %q, pid of the winner is %d", line, all[winner].Process.Pid)
		}
	}
	for _, p := range all {
		p.kill() // the winner leaves a stale socket
	}
}

// TestRestartAfterKill: nothing needs to be removed by hand.
func TestRestartAfterKill(t *testing.T) {
	for _, scheme := range []string{"unix", "unixgram"} {
		t.Run(scheme, func(t *testing.T) {
			ep := path(scheme)(t)
			for range 30 {
				p := spawn(t, "serve", ep)
				p.release(t)
				if line := p.line(); !strings.HasPrefix(line, "serving") {
					t.Fatal(line)
				}
				p.kill()
			}
			if _, err := os.Lstat(ep.Path()); err != nil {
				t.Fatal("the killed process should have left its socket:", err)
			}
		})
	}
}

// TestKilledWhileStarting: whatever a process was doing when it was killed (its lock taken,
// the old socket removed, the new one bound and not yet listening), the next start serves.
func TestKilledWhileStarting(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, scheme := range []string{"unix", "unixgram"} {
		t.Run(scheme, func(t *testing.T) {
			ep := path(scheme)(t)
			early, takes := 0, time.Duration(0)
			for i := range 40 {
				began := time.Now()
				p := spawn(t, "serve", ep)
				p.release(t)
				if i < 3 { // how long does it take?
					p.line()
					takes = max(takes, time.Since(began))
				} else {
					<-time.After(takes/2 + time.Duration(rnd.Int64N(int64(takes))) - time.Since(began))
				}
				check(t, p.Process.Kill())
				if i >= 3 && p.line() == "" {
					early++
				}
				p.kill()
				if rnd.IntN(4) == 0 { // other starts meet what several dead have left
					p = spawn(t, "serve", ep)
					p.release(t)
					if line := p.line(); !strings.HasPrefix(line, "serving") {
						t.Fatal(line)
					}
					p.kill()
				}
			}
			t.Logf("%d of 40 were killed before they served", early)
			files, err := os.ReadDir(filepath.Dir(ep.Path()))
			check(t, err)
			if len(files) > 2 {
				t.Errorf("more is left than a socket and its lock: %v", files)
			}
		})
	}
}

// TestNoDescriptors: Accept tells that none is free and works again when one is.
func TestNoDescriptors(t *testing.T) {
	ep := path("unix")(t)
	p := spawn(t, "starve", ep)
	p.release(t)
	if line := p.line(); !strings.HasPrefix(line, "serving") {
		t.Fatal(line)
	}
	c, err := socket.New().Dial(t.Context(), ep, nil)
	check(t, err)
	defer c.Close()
	if line := p.line(); line != "accepted" {
		t.Fatal(line)
	}
	b, err := c.Recv()
	check(t, err)
	b.Release()
	p.leave(t)
}

// TestKilledDatagramPeer: the next send notices.
func TestKilledDatagramPeer(t *testing.T) {
	l, err := socket.Packet().Listen(t.Context(), path("unixgram")(t), nil)
	check(t, err)
	defer l.Close()
	p := spawn(t, "dial", l.Endpoint())
	p.release(t)
	c, err := l.Accept()
	check(t, err)
	defer c.Close()
	if line := p.line(); line != "connected" {
		t.Fatal(line)
	}
	check(t, c.Send([]byte{8, 0, 0, 0, 1, 2, 3, 4}))
	cred, err := c.(transport.Credentialer).PeerCredentials()
	if err == nil && cred.PID != p.Process.Pid {
		t.Errorf("credentials %+v, the peer is %d", cred, p.Process.Pid)
	}
	p.kill()
	if err := c.Send([]byte{8, 0, 0, 0, 1, 2, 3, 4}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("%v instead of ECONNREFUSED", err)
	}
}
