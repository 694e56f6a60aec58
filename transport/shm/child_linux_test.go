// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// child is what the test binary does as a child process: it dials an address, upgrades,
// and does what its verb says until the other end hangs up or it is killed.
func child(line string) int {
	verb, address, _ := strings.Cut(line, " ")
	c, err := dialChild(verb, address)
	if err == nil {
		defer c.Close()
		err = childVerbs[verb](c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

var childVerbs = map[string]func(transport.Conn) error{
	"echo":   echo,
	"cold":   echo,
	"borrow": borrowAll,
	"sink":   sink,
	"life":   life,
	"accept": life,

	"scribble": scribbling,
	"die":      die,
	"limited":  limited,
}

func dialChild(verb, address string) (transport.Conn, error) {
	ep, err := endpoint.Parse(address)
	if err != nil {
		return nil, err
	}
	var o *shm.Options
	switch verb {
	case "life", "accept":
		o = lifeOptions
	case "cold":
		o = &shm.Options{Spin: -1}
	}
	c, err := shm.New(socket.Unix(), o).Dial(context.Background(), ep, nil)
	if err != nil {
		return nil, err
	}
	switch verb {
	case "accept":
		return acceptUpgrade(c)
	case "limited":
		return c, nil
	}
	return offerUpgrade(c)
}

// echo sends back what comes.
func echo(c transport.Conn) error {
	for {
		b, err := c.Recv()
		if err != nil {
			return nil
		}
		if err := c.Send(b.Bytes()); err != nil {
			return nil
		}
		b.Release()
	}
}

// sink answers one frame of 8 bytes with another one, and takes all others.
func sink(c transport.Conn) error {
	for {
		b, err := c.Recv()
		if err != nil {
			return nil
		}
		if b.Len() == 8 {
			err = c.Send(b.Bytes())
		}
		b.Release()
		if err != nil {
			return nil
		}
	}
}

// borrowAll reads each block that is lent, in place, and answers.
func borrowAll(c transport.Conn) error {
	for {
		f, err := c.Recv()
		if err != nil {
			return nil
		}
		b, err := c.(transport.Lender).Borrow(f.Bytes()[4:])
		f.Release()
		if err != nil {
			return err
		}
		s := sum(b.Bytes())
		b.Release()
		if err := c.Send([]byte{8, 0, 0, 0, s, 0, 0, 0}); err != nil {
			return nil
		}
	}
}

// sum looks at each cache line.
func sum(p []byte) (s byte) {
	for i := 0; i < len(p); i += 64 {
		s += p[i]
	}
	return s
}

// process is a child with the connection to it.
type process struct {
	cmd  *exec.Cmd
	conn transport.Conn
}

// start starts a child and accepts its connection, before the upgrade.
func start(t testing.TB, verb string, o *shm.Options) (transport.Conn, *exec.Cmd) {
	t.Helper()
	l, err := shm.New(socket.Unix(), o).Listen(t.Context(), path(t), nil)
	check(t, err)
	defer l.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childEnv+"="+verb+" "+l.Endpoint().String())
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	c, err := l.Accept()
	check(t, err)
	return c, cmd
}

// spawn starts a child that dials and upgrades.
func spawn(t testing.TB, verb string, o *shm.Options) *process {
	t.Helper()
	c, cmd := start(t, verb, o)
	upgraded, err := acceptUpgrade(c)
	check(t, err)
	return &process{cmd, upgraded}
}

// leave hangs up and waits for the child to end well.
func (p *process) leave(t testing.TB) {
	t.Helper()
	check(t, p.conn.Close())
	check(t, p.cmd.Wait())
}
