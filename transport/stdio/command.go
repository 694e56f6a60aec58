// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

const (
	// patience is how long Close waits for the child by default.
	patience = 3 * time.Second
	// afterlife is how long what the child has written is still read after it ended,
	// while somebody else holds its standard output open.
	afterlife = 50 * time.Millisecond
	// drainPause is how long a Read waits while Close does.
	drainPause = 10 * time.Millisecond
)

// Command starts cmd and returns a Conn over its standard input and output, which must
// not be set. If cmd.Stderr is nil, the child gets the standard error of this process.
//
// The Conn ends, with io.EOF, when the child ends, even if a grandchild keeps the pipe
// open. What is no frame gives a *transport.FrameError that quotes the first bytes.
//
// Close closes the child's standard input, waits for the child for cmd.WaitDelay (3 s if
// that is 0) while it drops what the child still writes, then kills it. It returns how
// the child ended, as exec.Cmd.Wait does, and leaves no zombie behind. The process is
// waited for by the Conn: do not call cmd.Wait.
func Command(cmd *exec.Cmd) (transport.Conn, error) {
	c, err := start(cmd)
	if err != nil {
		return nil, &transport.Error{Op: "dial", Endpoint: "stdio: of " + cmd.Path, Err: err}
	}
	return c, nil
}

// child is a Conn over a process and the process.
type child struct {
	cmd    *exec.Cmd
	src    source
	r      *os.File
	wait   time.Duration
	exited chan struct{} // closed when the process has been waited for
	err    error         // of Wait; valid after exited
}

func start(cmd *exec.Cmd) (*conn, error) {
	if cmd.Stdin != nil || cmd.Stdout != nil {
		return nil, errors.New("standard input and output of the command must not be set")
	}
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = patience
	}
	r, w, err := launch(cmd)
	if err != nil {
		return nil, err
	}
	c := newConn(r, w, "stdio: of "+cmd.Path)
	ch := &child{cmd: cmd, src: c.src, r: r, wait: cmd.WaitDelay, exited: make(chan struct{})}
	c.finish = ch.finish
	go ch.reap()
	return c, nil
}

// launch starts cmd with pipes and returns our ends of them.
func launch(cmd *exec.Cmd) (r, w *os.File, err error) {
	childIn, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer childIn.Close()
	r, childOut, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	defer childOut.Close()
	cmd.Stdin, cmd.Stdout = childIn, childOut
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, w.Close(), r.Close())
	}
	return r, w, nil
}

// reap waits for the process, whatever else happens.
func (ch *child) reap() {
	ch.err = ch.cmd.Wait()
	if d, ok := ch.src.(*direct); ok {
		d.endAfter(afterlife)
	}
	close(ch.exited)
}

// finish waits for the child, or kills it. The child's standard input is closed already.
func (ch *child) finish() error {
	ch.src.wake() // a pending Recv sees that the Conn is closed
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		ch.drain()
	}()
	timer := time.NewTimer(ch.wait)
	defer timer.Stop()
	var late error
	select {
	case <-ch.exited:
	case <-timer.C:
		late = fmt.Errorf("did not end within %v after its input was closed", ch.wait)
		_ = ch.cmd.Process.Kill()
		<-ch.exited
	}
	err := ch.src.stop()
	if _, ok := ch.src.(*direct); ok { // else a grandchild may keep the reader waiting
		<-drained
	}
	return errors.Join(late, ch.err, err)
}

// drain drops what the child writes until it ends. A Recv that was just about to read
// when Close began, and has missed the wake, is woken by the deadline, too.
func (ch *child) drain() {
	p := make([]byte, 4<<10)
	for {
		_, err := ch.r.Read(p)
		select {
		case <-ch.exited:
			return
		default:
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = ch.r.SetReadDeadline(time.Now().Add(drainPause))
		} else if err != nil {
			return
		}
	}
}
