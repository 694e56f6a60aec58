// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport/socket"
)

// TestPeerProcess: the descriptor is that of the process that has connected, and tells its end;
// what has no process behind it says so.
func TestPeerProcess(t *testing.T) {
	ep := path("unix")(t)
	l, err := socket.New().ListenStream(t.Context(), ep, nil)
	check(t, err)
	defer l.Close()
	p := spawn(t, "dial", ep)
	p.release(t)
	c, err := l.Accept()
	check(t, err)
	defer c.Close()
	f, err := socket.PeerProcess(c)
	if errors.Is(err, errors.ErrUnsupported) {
		p.kill()
		t.Skip(err)
	}
	check(t, err)
	defer f.Close()
	ended := func(wait time.Duration) bool {
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(fds, int(wait.Milliseconds()))
			if !errors.Is(err, unix.EINTR) {
				check(t, err)
				return n == 1
			}
		}
	}
	if ended(0) {
		t.Error("the process has ended already")
	}
	check(t, unix.PidfdSendSignal(int(f.Fd()), 0, nil, 0))
	check(t, unix.PidfdSendSignal(int(f.Fd()), unix.SIGKILL, nil, 0))
	if !ended(20 * time.Second) {
		t.Error("its end is not told")
	}
	p.kill() // reaps it
	if err := unix.PidfdSendSignal(int(f.Fd()), 0, nil, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a signal to the dead: %v", err)
	}

	other, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	check(t, err)
	defer other.Close()
	tc, err := net.Dial("tcp", other.Addr().String())
	check(t, err)
	defer tc.Close()
	if _, err := socket.PeerProcess(tc); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("over tcp: %v", err)
	}
}
