// SPDX-License-Identifier: Apache-2.0

//go:build unix

package session_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// child has a session, calls the other process for each line of its input, and says what
// becomes of it.
func child(args string) int {
	var verb, address, beat, grace string
	_, err := fmt.Sscan(args, &verb, &address, &beat, &grace)
	if err == nil {
		err = converse(verb, address, beat, grace)
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

func converse(verb, address, beat, grace string) error {
	cfg := &session.Config{Router: echoing}
	cfg.Heartbeat, _ = time.ParseDuration(beat)
	cfg.HeartbeatGrace, _ = time.ParseDuration(grace)
	s, err := meet(verb, address, cfg)
	if err != nil {
		return err
	}
	fmt.Println("up")
	s.OnEnd(func(err error) { fmt.Println("ended", status.CodeOf(err)) })
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := s.Route(method("echo")).Call(ctx, session.Message{}, nil)
		cancel()
		fmt.Println("called", status.CodeOf(err))
	}
	s.Close()
	s.Wait()
	return nil
}

func drivers() transport.Set { return transport.NewSet(socket.New(), shm.New(socket.Unix(), nil)) }

// meet makes the session of a child.
func meet(verb, address string, cfg *session.Config) (*session.Session, error) {
	ep, err := endpoint.Parse(address)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if verb == "dial" {
		c, err := drivers().Dial(ctx, ep, nil)
		if err != nil {
			return nil, err
		}
		return session.Dial(ctx, c, cfg)
	}
	l, err := drivers().Listen(ctx, ep, nil)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	fmt.Println("at", l.Endpoint())
	var c transport.Conn
	if c, err = l.Accept(); err != nil {
		return nil, err
	}
	return session.Accept(ctx, c, cfg)
}

// process is a child.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func spawn(t *testing.T, args ...any) *process {
	t.Helper()
	return spawnBy(t, exec.Command(os.Args[0]), args...)
}

// spawnBy is spawn by a command that runs the test binary.
func spawnBy(t *testing.T, cmd *exec.Cmd, args ...any) *process {
	t.Helper()
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childEnv+"="+strings.TrimSpace(fmt.Sprintln(args...)))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &process{t, cmd, in, bufio.NewReader(out)}
}

// says returns the next line of the child, which begins with a word.
func (p *process) says(word string) string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), word)
	if err != nil || !ok {
		p.t.Fatalf("%q (%v), not %q", line, err, word)
	}
	return strings.TrimSpace(rest)
}

// stop returns when the child has stopped.
func (p *process) stop() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(syscall.SIGSTOP))
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		must(p.t, err)
		if !ws.Stopped() {
			p.t.Fatalf("it did not stop: %v", ws)
		}
		return
	}
}

func (p *process) goOn() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// calls has the child call the other one.
func (p *process) calls() string {
	p.t.Helper()
	_, err := io.WriteString(p.in, "call\n")
	must(p.t, err)
	return p.says("called")
}

// twoProcesses are an accepting and a dialling one, with their graces.
func twoProcesses(t *testing.T, address string, every, graceA, graceD time.Duration) (a, d *process) {
	t.Helper()
	a = spawn(t, "listen", address, every, graceA)
	d = spawn(t, "dial", a.says("at"), every, graceD)
	a.says("up")
	d.says("up")
	return a, d
}

// eachWay runs a test over TCP, unix and, where there is, shared memory.
func eachWay(t *testing.T, f func(t *testing.T, address string)) {
	ways := []string{"tcp", "unix"}
	if runtime.GOOS == "linux" {
		ways = append(ways, "shm")
	}
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			if way == "tcp" {
				f(t, "tcp://127.0.0.1:0")
				return
			}
			dir, err := os.MkdirTemp("", "plexus")
			must(t, err)
			t.Cleanup(func() { os.RemoveAll(dir) })
			f(t, way+"://"+filepath.Join(dir, "s"))
		})
	}
}

const beat = 300 * time.Millisecond

// A process that is stopped is found within two heartbeats, whichever it is; when it goes on it
// learns that its session is over.
func TestStoppedPeer(t *testing.T) {
	eachWay(t, func(t *testing.T, address string) {
		for _, dialling := range []bool{true, false} {
			stopped, other := twoProcesses(t, address, beat, 0, 0)
			if dialling {
				stopped, other = other, stopped
			}
			stopped.stop()
			began := time.Now()
			if code := other.says("ended"); code != status.PeerGone.String() {
				t.Error(code)
			}
			took := time.Since(began)
			t.Logf("found after %v", took.Round(time.Millisecond))
			if took > 2*beat+slack {
				t.Errorf("found after %v", took)
			}
			stopped.goOn()
			if code := stopped.says("ended"); code != status.PeerGone.String() {
				t.Error(code)
			}
		}
	})
}

// A process that was stopped for five heartbeats and goes on within the grace of the other loses
// nothing, and does not lay it at the other's door: it has no grace itself.
func TestStoppedWithinGrace(t *testing.T) {
	eachWay(t, func(t *testing.T, address string) {
		a, d := twoProcesses(t, address, beat, time.Minute, 0)
		for range 2 {
			d.stop()
			<-time.After(5 * beat)
			d.goOn()
			if code := d.calls(); code != status.OK.String() {
				t.Fatal(code)
			}
			<-time.After(3 * beat) // it may still judge
		}
		if code := a.calls(); code != status.OK.String() {
			t.Error(code)
		}
	})
}

// Both stop, as when a machine is suspended, and go on: neither condemns the other, without any
// grace. One that then dies is found as quickly as ever.
func TestBothStopped(t *testing.T) {
	eachWay(t, func(t *testing.T, address string) {
		a, d := twoProcesses(t, address, beat, 0, 0)
		a.stop()
		d.stop()
		<-time.After(5 * beat)
		a.goOn()
		d.goOn()
		for _, p := range []*process{a, d} {
			if code := p.calls(); code != status.OK.String() {
				t.Fatal(code)
			}
		}
		<-time.After(3 * beat)
		if code := d.calls(); code != status.OK.String() {
			t.Fatal(code)
		}
		a.stop()
		began := time.Now()
		if code := d.says("ended"); code != status.PeerGone.String() {
			t.Error(code)
		}
		if took := time.Since(began); took > 2*beat+slack {
			t.Errorf("found after %v", took)
		}
		a.goOn()
	})
}
