// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// copied returns a descriptor of what f is, which belongs to the test.
func copied(t *testing.T, f interface{ File() (*os.File, error) }) int {
	t.Helper()
	file, err := f.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// open reports whether a descriptor is.
func open(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// A socket that listens is taken over with its address; a Conn of it tells who its peer is;
// its path stays when it is closed.
func TestInherit(t *testing.T) {
	dir, err := os.MkdirTemp("", "i")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := dir + "/s o"
	for _, c := range []struct{ network, address, scheme, want string }{
		{"unix", path, "", "unix://"}, {"tcp", "127.0.0.1:0", "tcp", "tcp://127.0.0.1:"}, {"tcp", "[::1]:0", "", "tcp://[::1]:"},
	} {
		nl, err := net.Listen(c.network, c.address)
		if err != nil {
			t.Skip(err) // no IPv6
		}
		if u, ok := nl.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		fd := copied(t, nl.(interface{ File() (*os.File, error) }))
		nl.Close()
		l, err := socket.Inherit(fd, c.scheme, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(l.Endpoint().String(), c.want) || l.Endpoint().Address() != nl.Addr().String() {
			t.Errorf("%v for %v", l.Endpoint(), nl.Addr())
		}
		if open(fd) {
			t.Error("the descriptor is open under its own number")
		}
		near, err := socket.New().Dial(t.Context(), l.Endpoint(), nil)
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if c.network == "unix" {
			cred, err := far.(transport.Credentialer).PeerCredentials()
			if err != nil || cred.UID != os.Getuid() {
				t.Errorf("%+v, %v", cred, err)
			}
		}
		near.Close()
		far.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the path has gone with the listener:", err)
	}
}

// What is no socket that listens is refused, with what it is, and left alone.
func TestInheritRefuses(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	gram, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	listens := copied(t, tcp.(*net.TCPListener))
	for _, c := range []struct {
		fd           int
		scheme, want string
	}{
		{2, "", "standard"}, {-1, "", "standard"}, {int(file.Fd()), "", "no socket"}, {1 << 20, "", "no socket"},
		{pair[0], "", "does not listen"}, {gram, "", "packets"}, {nameless, "", "does not listen"},
		{listens, "unix", "tcp socket, unix was to be served"}, {listens, "tls", "certificate"}, {listens, "ws", "ws was"},
	} {
		was := open(c.fd)
		l, err := socket.Inherit(c.fd, c.scheme, nil)
		var te *transport.Error
		if l != nil || !errors.As(err, &te) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d as %q: %v, want %s", c.fd, c.scheme, err, c.want)
		}
		if open(c.fd) != was {
			t.Errorf("%d as %q: it was closed", c.fd, c.scheme)
		}
	}
	for _, fd := range []int{pair[0], pair[1], gram, nameless, listens} {
		unix.Close(fd)
	}
}
