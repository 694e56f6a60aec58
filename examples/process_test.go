// SPDX-License-Identifier: Apache-2.0

package examples

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

// patience is how long one process may take.
const patience = 30 * time.Second

// programs is the folder with the compiled examples.
var programs string

func TestMain(m *testing.M) { leak.Main(compiled{m}) }

// compiled builds the examples before the tests run, and removes them afterwards.
type compiled struct{ m *testing.M }

// Run implements leak.Runner.
func (c compiled) Run() int {
	dir, err := os.MkdirTemp("", "programs")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", dir+string(filepath.Separator), "./...").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the examples: %v\n%s", err, out)
		return 1
	}
	return c.m.Run()
}

// stage is where the processes of one test run.
type stage struct {
	t       *testing.T
	dir     string // for sockets
	address string
	env     []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.ToSlash(filepath.Join(dir, "s"))
	return &stage{t: t, dir: dir, address: "unix://" + strings.TrimPrefix("/"+path, "/"), env: os.Environ()}
}

// await runs a program until it prints what is wanted: others that it needs are on their way.
func (s *stage) await(want, program string, args ...string) {
	s.t.Helper()
	var last string
	for over := time.Now().Add(patience); time.Now().Before(over); {
		out, err := s.command(program, args...).CombinedOutput()
		if last = string(out); err == nil && last == want {
			return
		}
	}
	s.t.Fatalf("%s %q printed %q, want %q", program, args, last, want)
}

// process is one that runs.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // of stdout, closed at its end
	stderr bytes.Buffer
	ended  bool
}

// command makes the command line of an example, which is killed when it takes too long.
func (s *stage) command(program string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	if s.address != "" {
		args = append([]string{"-address", s.address}, args...)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(programs, program), args...)
	cmd.Env = s.env
	return cmd
}

// start starts an example.
func (s *stage) start(program string, args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, name: program + " " + strings.Join(args, " "), lines: make(chan string, 1024)}
	p.cmd = s.command(program, args...)
	p.cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.kill)
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	return p
}

// serve starts an example that listens, and takes the address that it tells.
func (s *stage) serve(program, role string) *process {
	s.t.Helper()
	p := s.start(program, role)
	address, ok := strings.CutPrefix(p.line(), "listening on ")
	if !ok {
		s.t.Fatalf("%s does not listen", p)
	}
	s.address = address
	return p
}

// run runs an example to its end and gives what it printed.
func (s *stage) run(program string, args ...string) []string {
	s.t.Helper()
	return s.start(program, args...).end()
}

// String tells which process it is and what it complained about, once it has ended.
func (p *process) String() string {
	if !p.ended {
		return p.name
	}
	return p.name + ": " + p.stderr.String()
}

// line gives the next line that the process prints, "" at the end.
func (p *process) line() string { return <-p.lines }

// want reads as many lines as are wanted and compares them.
func (p *process) want(lines ...string) {
	p.t.Helper()
	for _, want := range lines {
		if got := p.line(); got != want {
			p.t.Fatalf("%s\nprinted %q\nwant    %q", p, got, want)
		}
	}
}

// say types a line.
func (p *process) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// end closes the input, and waits until the process has ended well. It gives the lines
// that nobody has read.
func (p *process) end() []string {
	p.t.Helper()
	p.stdin.Close()
	lines := p.rest()
	if err := p.wait(); err != nil {
		p.t.Fatalf("%s\n%v after %q", p, err, lines)
	}
	return lines
}

// stop interrupts the process as Ctrl-C does, and waits like end. Windows has no such
// signal for one process: there it is killed.
func (p *process) stop() []string {
	p.t.Helper()
	if runtime.GOOS == "windows" {
		p.cmd.Process.Kill()
		lines := p.rest()
		p.wait()
		return lines
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	return p.end()
}

func (p *process) rest() []string {
	var lines []string
	for line := range p.lines {
		lines = append(lines, line)
	}
	return lines
}

func (p *process) wait() error {
	p.ended = true
	return p.cmd.Wait()
}

// kill ends a process that a failed test has left.
func (p *process) kill() {
	if !p.ended {
		p.cmd.Process.Kill()
		p.rest()
		p.wait()
	}
}

// clean fails if there is more in the folder than locks, which stay: see transport/socket.
func (s *stage) clean() {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), ".lock") })
	if len(entries) > 0 && runtime.GOOS != "windows" {
		s.t.Errorf("left behind: %v", entries)
	}
}
