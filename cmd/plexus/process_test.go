// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

// process is a plexus that runs beside a test.
type process struct {
	cmd *exec.Cmd

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // replaced with each line

	readers sync.WaitGroup
	ended   chan struct{}
	code    int
}

// startProcess starts plexus with arguments.
func startProcess(env []string, dir string, args ...string) (*process, error) {
	cmd := exec.Command("plexus", args...)
	cmd.Env, cmd.Dir = env, dir
	return startCommand(cmd)
}

// startCommand starts any program, whose output it reads.
func startCommand(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, changed: make(chan struct{}), ended: make(chan struct{})}
	for _, pipe := range []func() (io.ReadCloser, error){p.cmd.StdoutPipe, p.cmd.StderrPipe} {
		r, err := pipe()
		if err != nil {
			return nil, err
		}
		p.readers.Go(func() { p.read(r) })
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.readers.Wait()
		err := p.cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			p.code = exit.ExitCode()
			if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
				p.code = 128 + int(ws.Signal())
			}
		}
		close(p.ended)
	}()
	return p, nil
}

func (p *process) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
}

// count returns how many lines there are so far.
func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// await returns the first line, on stdout or stderr, that matches.
func (p *process) await(pattern string) (string, error) { return p.awaitAfter(0, pattern) }

// awaitAfter is await for what comes after so many lines.
func (p *process) awaitAfter(n int, pattern string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for over := false; ; {
		p.mu.Lock()
		changed := p.changed
		for _, l := range p.lines[n:] {
			if re.MatchString(l) {
				p.mu.Unlock()
				return l, nil
			}
		}
		p.mu.Unlock()
		if over {
			return "", fmt.Errorf("%v ended (%d) without a line like %q:\n%s", p.cmd.Args, p.code, pattern, p.output())
		}
		select {
		case <-changed:
		case <-p.ended:
			over = true
		case <-ctx.Done():
			return "", fmt.Errorf("%v: no line like %q:\n%s", p.cmd.Args, pattern, p.output())
		}
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// wait returns the exit code.
func (p *process) wait() (int, error) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.ended:
		return p.code, nil
	case <-t.C:
		return 0, fmt.Errorf("%v did not end:\n%s", p.cmd.Args, p.output())
	}
}

// kill ends it as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// runtimeDir makes a folder for sockets with a short path.
func runtimeDir() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "r")
	return dir, func() { os.RemoveAll(dir) }, err
}

// poll tries again until f says yes or patience is over: for what gives no event.
func poll(f func() bool) bool {
	over := time.NewTimer(patience)
	defer over.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-over.C:
			return f()
		}
	}
	return true
}
