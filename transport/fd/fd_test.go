// SPDX-License-Identifier: Apache-2.0

//go:build unix

package fd_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/fd"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

func TestMain(m *testing.M) { leak.Main(m) }

// newDriver is for one test: a descriptor's number comes again.
func newDriver() *fd.Transport {
	return fd.New(fd.Adopter{Conn: socket.Adopt, Listener: socket.AdoptListener})
}

func TestSuite(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Pair: func(t testing.TB) (a, b transport.Conn) {
			one, two := pair(t)
			return dial(t, one), dial(t, two)
		},
		Raw: func(t testing.TB) (transport.Conn, io.WriteCloser) {
			one, two := pair(t)
			f := os.NewFile(uintptr(two), "")
			defer f.Close()
			w, err := net.FileConn(f)
			check(t, err)
			return dial(t, one), w
		},
		Abilities: []transporttest.Ability{
			transporttest.TrySend, transporttest.Ready, transporttest.Batch, transporttest.Interrupt,
			transporttest.Credentials, transporttest.RemoteAddress, transporttest.Detach, transporttest.Poll,
			transporttest.PartWait,
		},
		NoAllocations: true,
	})
}

// TestListenConnected: the accepting end of a handed over connection is a listener of one.
func TestListenConnected(t *testing.T) {
	leak.Check(t)
	one, two := pair(t)
	tr := newDriver()
	l, err := tr.Listen(t.Context(), address(t, one), nil)
	check(t, err)
	if l.Endpoint().FD() != one {
		t.Error(l.Endpoint())
	}
	c, err := l.Accept()
	check(t, err)
	defer c.Close()
	d := dial(t, two)
	defer d.Close()
	check(t, d.Send(frame))
	b, err := c.Recv()
	check(t, err)
	b.Release()
	done := make(chan error)
	go func() { _, err := l.Accept(); done <- err }()
	check(t, l.Close())
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestUnused: a listener that never accepts ends the connection.
func TestUnused(t *testing.T) {
	leak.Check(t)
	one, two := pair(t)
	l, err := newDriver().Listen(t.Context(), address(t, one), nil)
	check(t, err)
	d := dial(t, two)
	defer d.Close()
	check(t, l.Close())
	check(t, l.Close())
	if _, err := d.Recv(); err != io.EOF {
		t.Error(err)
	}
}

// TestListening: a socket that listens, as service managers hand over.
func TestListening(t *testing.T) {
	leak.Check(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer plain.Close()
	f, err := plain.(*net.TCPListener).File()
	check(t, err)
	n, err := syscall.Dup(int(f.Fd()))
	check(t, err)
	check(t, f.Close())
	tr := newDriver()
	l, err := tr.Listen(t.Context(), address(t, n), nil)
	check(t, err)
	defer l.Close()
	ep, err := endpoint.Parse("tcp://" + plain.Addr().String())
	check(t, err)
	for range 2 {
		d, err := socket.New().Dial(t.Context(), ep, nil)
		check(t, err)
		c, err := l.Accept()
		check(t, err)
		check(t, d.Close())
		if _, err := c.Recv(); err != io.EOF {
			t.Error(err)
		}
		check(t, c.Close())
	}
}

// TestRefusals: what is no socket is left alone, what was taken is not taken again.
func TestRefusals(t *testing.T) {
	leak.Check(t)
	tr := newDriver()
	for n := range 3 {
		if _, err := tr.Dial(t.Context(), address(t, n), nil); err == nil {
			t.Errorf("fd://%d is dialled", n)
		}
	}
	f, err := os.Open(os.DevNull)
	check(t, err)
	defer f.Close()
	for range 2 {
		if _, err := tr.Dial(t.Context(), address(t, int(f.Fd())), nil); !errors.Is(err, syscall.ENOTSOCK) {
			t.Error(err)
		}
	}
	if _, err := f.Stat(); err != nil {
		t.Error(err)
	}
	if _, err := tr.Listen(t.Context(), address(t, 1<<20), nil); !errors.Is(err, syscall.EBADF) {
		t.Error(err)
	}
	one, two := pair(t)
	c, err := tr.Dial(t.Context(), address(t, one), nil)
	check(t, err)
	check(t, c.Close())
	if _, err := tr.Dial(t.Context(), address(t, one), nil); !errors.Is(err, transport.ErrInUse) {
		t.Error(err)
	}
	check(t, dial(t, two).Close())
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listening.Close()
	g, err := listening.(*net.TCPListener).File()
	check(t, err)
	n, err := syscall.Dup(int(g.Fd()))
	check(t, err)
	check(t, g.Close())
	if _, err := newDriver().Dial(t.Context(), address(t, n), nil); err == nil {
		t.Error("a socket that listens is dialled")
	}
}

// frame is the shortest there is.
var frame = []byte{8, 0, 0, 0, 1, 2, 3, 4}

// pair makes two connected sockets, as a parent does for a child.
func pair(t testing.TB) (one, two int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	check(t, err)
	return fds[0], fds[1]
}

func dial(t testing.TB, n int) transport.Conn {
	t.Helper()
	c, err := newDriver().Dial(t.Context(), address(t, n), nil)
	check(t, err)
	return c
}

func address(t testing.TB, n int) endpoint.Endpoint {
	t.Helper()
	ep, err := endpoint.Parse(fmt.Sprintf("fd://%d", n))
	check(t, err)
	return ep
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
