// SPDX-License-Identifier: Apache-2.0

package demo

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

// task is what a child is told first.
type task struct {
	Folder    string // of the Go files
	Private   string // of the sockets
	Hub       string // address, "" for the hub itself
	Route     string // of a consumer: hub or direct
	Transport string // of a consumer: unix or tcp
	Index     string // address for direct use
	Words     string
}

// note is what a child says: one line of JSON.
type note struct {
	Ready     bool     `json:",omitempty"`
	Endpoints []string `json:",omitempty"`
	Digest    string   `json:",omitempty"` // of the corpus that it read
	Done      bool     `json:",omitempty"`
	Rows      []Row    `json:",omitempty"`
	Error     string   `json:",omitempty"`
}

// family are the processes of one demo.
type family struct {
	program string
	stderr  io.Writer

	mu       sync.Mutex
	children []*child
}

// child is a process.
type child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	notes chan note // closed when it says no more
	ended chan struct{}
	err   error
}

// start starts a child in a role.
func (f *family) start(role string, t task) (*child, error) {
	cmd := exec.Command(f.program, "demo-role", role)
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
	c := &child{name: role, cmd: cmd, stdin: stdin, notes: make(chan note, 16), ended: make(chan struct{})}
	f.mu.Lock()
	f.children = append(f.children, c)
	f.mu.Unlock()
	go c.listen(stdout)
	return c, c.tell(t)
}

// listen reads what the child says, and waits for its end.
func (c *child) listen(stdout io.Reader) {
	lines := json.NewDecoder(bufio.NewReader(stdout))
	for {
		var n note
		if lines.Decode(&n) != nil {
			break
		}
		c.notes <- n
	}
	c.err = c.cmd.Wait()
	close(c.notes)
	close(c.ended)
}

// tell sends the child a line.
func (c *child) tell(v any) error { return json.NewEncoder(c.stdin).Encode(v) }

// next returns what the child says next.
func (c *child) next(ctx context.Context) (note, error) {
	select {
	case n, ok := <-c.notes:
		switch {
		case !ok:
			return n, status.Errorf(status.Internal, "the process %s (pid %d) ended early: %v", c.name, c.cmd.Process.Pid, c.err)
		case n.Error != "":
			return n, status.Errorf(status.Internal, "the process %s (pid %d) failed: %s", c.name, c.cmd.Process.Pid, n.Error)
		}
		return n, nil
	case <-ctx.Done():
		return note{}, status.Convert(ctx.Err())
	}
}

// end ends all children, the last one first, and returns when none is left.
func (f *family) end(patience time.Duration) error {
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

// self is the program to start again.
func self() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", status.Errorf(status.Internal, "this program cannot find itself: %w", err)
	}
	return program, nil
}
