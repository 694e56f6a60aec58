// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// openHere counts the descriptors of this process.
func openHere(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// rightsOf returns n descriptors: of files, of a socket, or of the very socket they are sent over.
func rightsOf(fd, n int) []byte {
	fds := make([]int, n)
	for i := range fds {
		fds[i] = fd
	}
	return unix.UnixRights(fds...)
}

// sendWith sends a message with descriptors.
func sendWith(t testing.TB, c *net.UnixConn, to *net.UnixAddr, data []byte, n int, own bool) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Write(func(fd uintptr) bool {
		pass := 0
		if own {
			pass = int(fd)
		}
		var addr unix.Sockaddr
		if to != nil {
			addr = &unix.SockaddrUnix{Name: to.Name}
		}
		switch err := unix.Sendmsg(int(fd), data, rightsOf(pass, n), addr, unix.MSG_DONTWAIT); {
		case errors.Is(err, unix.EAGAIN):
			return false
		case errors.Is(err, unix.ETOOMANYREFS): // the kernel has had enough
			err = unix.Sendmsg(int(fd), data, nil, addr, unix.MSG_DONTWAIT)
			return !errors.Is(err, unix.EAGAIN)
		case err != nil:
			t.Error(err)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
}

// Fault case 40: descriptors that somebody passes along, as many as the kernel lets him, a socket
// over itself among them, are not kept: neither by a listener, which anybody can write to, nor by
// a connection, of any kind of socket.
func TestPassedDescriptorsAreNotKept(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(map[bool]string{false: "files", true: "itself"}[own], func(t *testing.T) {
			t.Run("unixgram listener", func(t *testing.T) { abuseListener(t, own) })
			t.Run("unixgram", func(t *testing.T) {
				a, b := gramPair(t)
				abuse(t, a.nc, b, own)
			})
			for scheme, kind := range map[string]transport.Transport{"unix": New(), "unixpacket": Packet()} {
				t.Run(scheme, func(t *testing.T) {
					l, err := kind.Listen(t.Context(), parseEndpoint(t, scheme+"://"+t.TempDir()+"/s"), nil)
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					network := map[string]string{"unix": "unix", "unixpacket": "unixpacket"}[scheme]
					nc, err := net.DialUnix(network, nil, &net.UnixAddr{Name: l.Endpoint().Path(), Net: network})
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					c, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					abuse(t, nc, c, own)
				})
			}
		})
	}
}

// abuse sends frames with 253 descriptors each, which arrive without them.
func abuse(t *testing.T, from *net.UnixConn, to transport.Conn, own bool) {
	t.Helper()
	before := openHere(t)
	for i := range 20 {
		sendWith(t, from, nil, frameOf(8, byte(i)), 253, own)
		b, err := to.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if n := openHere(t); n > before+16 {
			t.Fatalf("%d descriptors more are open", n-before)
		}
		b.Release()
	}
	if n := openHere(t); n > before {
		t.Fatalf("%d descriptors are left", n-before)
	}
}

func abuseListener(t *testing.T, own bool) {
	l, err := Packet().Listen(t.Context(), parseEndpoint(t, "unixgram://"+t.TempDir()+"/s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() {
		c, err := l.Accept() // the last one is a request
		if err == nil {
			err = c.Close()
		}
		over <- err
	}()
	stranger, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: t.TempDir() + "/x", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	before := openHere(t)
	at := &net.UnixAddr{Name: l.Endpoint().Path(), Net: "unixgram"}
	for range 20 {
		sendWith(t, stranger, at, []byte("nonsense"), 253, own)
	}
	sendWith(t, stranger, at, []byte(gramOpen), 253, own)
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if n := openHere(t); n > before {
		t.Fatalf("%d descriptors are left", n-before)
	}
	_, _ = stranger.Close(), l.Close()
}
