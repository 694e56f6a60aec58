// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// process is a child that speaks the line protocol of package lab. It is in a process
// group of its own, and dies with this process where the system can do that.
type process struct {
	role  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // closed when its output ends
	said  tail        // on standard error
	ended chan struct{}
}

// start starts a process for a job, in a folder.
func start(command, env []string, folder string, j lab.Job) (*process, error) {
	arguments := append(command[1:len(command):len(command)],
		"-system", j.System, "-role", j.Role, "-pattern", j.Pattern, "-at", j.At, "-hub="+strconv.FormatBool(j.Hub),
		"-callers", strconv.Itoa(j.Callers), "-bytes", strconv.Itoa(j.Bytes), "-subscribers", strconv.Itoa(j.Subscribers),
		"-warm", j.Warm.String(), "-run", j.Run.String(), "-profiles", j.Profile)
	p := &process{role: j.Role, cmd: exec.Command(command[0], arguments...), lines: make(chan string, 16), ended: make(chan struct{})}
	p.cmd.Stderr = &p.said
	p.cmd.Env, p.cmd.Dir = env, folder
	inherit(p.cmd)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.read(out)
	return p, nil
}

// read hands on the lines of the protocol, and waits for the end. What a broker of other
// authors prints is none of them.
func (p *process) read(out io.Reader) {
	defer close(p.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if line == "ready" || line == "begin" || line == "end" || strings.HasPrefix(line, "{\"") {
			p.lines <- line
		}
	}
	close(p.lines)
	_ = p.cmd.Wait() // it is told by its lines how it went
}

// expect waits for a line of the protocol: the wanted one, or an object if want is "{".
func (p *process) expect(ctx context.Context, want string) (string, error) {
	for {
		select {
		case line, ok := <-p.lines:
			switch {
			case !ok:
				<-p.ended // and all is said
				return "", fmt.Errorf("%s ended early%s", p.role, p.said.sentence())
			case line == want || want == "{" && strings.HasPrefix(line, want):
				return line, nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("%s did not say %q in time%s", p.role, want, p.said.sentence())
		}
	}
}

// proceed says that the measured time may begin.
func (p *process) proceed() { _, _ = io.WriteString(p.stdin, "go\n") } // who has gone is told by its lines

// stop ends a process: politely, then not.
func (p *process) stop() {
	p.stdin.Close()
	go func() {
		for range p.lines { // whoever still prints shall not wait for us
		}
	}()
	select {
	case <-p.ended:
	case <-time.After(300 * time.Millisecond):
	}
	kill(p.cmd)
	<-p.ended
}

// stopAll ends processes, the last first.
func stopAll(all []*process) {
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(p.stop)
	}
	wg.Wait()
}

// tail keeps the end of what was written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if n := len(t.text) - 2048; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(b), nil
}

// sentence is the last line that was written, for an error.
func (t *tail) sentence() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	if last := all[len(all)-1]; last != "" {
		return ": " + last
	}
	return ""
}
