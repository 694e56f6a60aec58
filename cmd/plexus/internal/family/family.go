// SPDX-License-Identifier: Apache-2.0

// Package family starts this program again, as children in several roles, and talks to
// them by lines of JSON on their stdin and stdout.
//
// A child whose stdin ends, ends: so nothing is left when the parent ends, however it ends.
package family

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// Family are the processes of one run. It may be used by several goroutines.
type Family struct {
	program string
	verb    string
	stderr  io.Writer

	mu       sync.Mutex
	children []*Child
}

// New returns a family whose children are this program, run with a verb and their role.
// What they write to stderr goes to stderr.
func New(verb string, stderr io.Writer) (*Family, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, status.Errorf(status.Internal, "this program cannot find itself: %w", err)
	}
	return &Family{program: program, verb: verb, stderr: stderr}, nil
}

// Child is a process. One goroutine at a time uses it.
type Child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	notes chan json.RawMessage // closed when it says no more
	ended chan struct{}
	err   error
}

// Start starts a child in a role and tells it its task.
func (f *Family) Start(role string, task any) (*Child, error) {
	cmd := exec.Command(f.program, f.verb, role)
	cmd.Stderr = f.stderr
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, status.Errorf(status.Internal, "the process %s cannot be started: %w", role, err)
	}
	c := &Child{name: role, cmd: cmd, stdin: stdin, notes: make(chan json.RawMessage, 16), ended: make(chan struct{})}
	f.mu.Lock()
	f.children = append(f.children, c)
	f.mu.Unlock()
	go c.listen(stdout)
	return c, c.Tell(task)
}

// Len returns how many children there are.
func (f *Family) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.children)
}

// listen reads what the child says, and waits for its end.
func (c *Child) listen(stdout io.Reader) {
	lines := json.NewDecoder(bufio.NewReader(stdout))
	for {
		var n json.RawMessage
		if lines.Decode(&n) != nil {
			break
		}
		c.notes <- n
	}
	c.err = c.cmd.Wait()
	close(c.notes)
	close(c.ended)
}

// Tell sends the child a line.
func (c *Child) Tell(v any) error {
	if err := json.NewEncoder(c.stdin).Encode(v); err != nil {
		return status.Errorf(status.Internal, "the process %s (pid %d) does not listen: %w", c.name, c.cmd.Process.Pid, err)
	}
	return nil
}

// complaint is a note by which a child tells that it has failed.
type complaint struct {
	Error string `json:",omitempty"`
}

// Next decodes what the child says next into v. It fails with *Failed if the child says
// that it has failed, and with a status error if it ended or ctx did.
func (c *Child) Next(ctx context.Context, v any) error {
	select {
	case n, ok := <-c.notes:
		if !ok {
			return status.Errorf(status.Internal, "the process %s (pid %d) ended early: %v", c.name, c.cmd.Process.Pid, c.err)
		}
		var bad complaint
		if json.Unmarshal(n, &bad) == nil && bad.Error != "" {
			return &Failed{Role: c.name, PID: c.cmd.Process.Pid, Text: bad.Error}
		}
		return json.Unmarshal(n, v)
	case <-ctx.Done():
		return status.Convert(ctx.Err())
	}
}

// Ask tells the child something and decodes its answer.
func (c *Child) Ask(ctx context.Context, question, answer any) error {
	if err := c.Tell(question); err != nil {
		return err
	}
	return c.Next(ctx, answer)
}

// Failed is what a child says of its own failure.
type Failed struct {
	Role string
	PID  int
	Text string
}

// Error says which process failed, and why.
func (e *Failed) Error() string {
	return fmt.Sprintf("the process %s (pid %d) failed: %s", e.Role, e.PID, e.Text)
}

// End ends all children, the last one first, and returns when none is left. One that does
// not end within patience is killed, which is an error.
func (f *Family) End(patience time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	over := time.NewTimer(patience)
	defer over.Stop()
	var errs []error
	for i := len(f.children) - 1; i >= 0; i-- {
		c := f.children[i]
		c.stdin.Close()
		for open := true; open; {
			select {
			case _, open = <-c.notes:
			case <-over.C:
				over.Reset(patience)
				_ = c.cmd.Process.Kill() // it may have ended just now
				errs = append(errs, fmt.Errorf("the process %s (pid %d) did not end and was killed", c.name, c.cmd.Process.Pid))
			}
		}
		<-c.ended
	}
	f.children = nil
	return errors.Join(errs...)
}
