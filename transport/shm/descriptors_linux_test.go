// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// Fault case 40: descriptors that nobody asked for end the connection, whatever they are and
// however many, and none is kept.
func TestPassedDescriptors(t *testing.T) {
	file, err := os.Open(os.DevNull)
	check(t, err)
	defer file.Close()
	for name, c := range map[string]struct {
		n    int
		kind byte // of the note that comes with them, 0 for a bell
		fd   func(own uintptr) int
	}{
		"253 files":              {253, 0, func(uintptr) int { return int(file.Fd()) }},
		"253 files with a note":  {253, 3, func(uintptr) int { return int(file.Fd()) }},
		"253 times itself":       {253, 3, func(own uintptr) int { return int(own) }},
		"itself as an arena":     {1, 3, func(own uintptr) int { return int(own) }},
		"a device as an arena":   {1, 3, func(uintptr) int { return int(file.Fd()) }},
		"one with a note of end": {1, 4, func(uintptr) int { return int(file.Fd()) }},
	} {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			liar, victim := pair(t, nil)
			defer func() { _, _ = liar.Close(), victim.Close() }()
			p := make([]byte, shm.NoteSize)
			p[0], p[1], p[4], p[8] = c.kind, 14, 200, 1
			if c.kind == 0 {
				p = []byte{1}
			}
			raw, err := shm.Socket(liar).SyscallConn()
			check(t, err)
			check(t, raw.Control(func(s uintptr) {
				fds := make([]int, c.n)
				for i := range fds {
					fds[i] = c.fd(s)
				}
				check(t, unix.Sendmsg(int(s), p, unix.UnixRights(fds...), nil, 0))
			}))
			if err := recvUntil(victim); err == nil || !typed(err) {
				t.Fatalf("noticed: %v", err)
			}
		})
	}
}

// So do those that come before the memory is shared, also a few with each byte.
func TestPassedDescriptorsWhileUpgrading(t *testing.T) {
	leak.Check(t)
	before := openHere(t)
	for _, perByte := range []int{253, 10} {
		l, err := shm.New(socket.Unix(), nil).Listen(t.Context(), path(t), nil)
		check(t, err)
		nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: l.Endpoint().Path(), Net: "unix"})
		check(t, err)
		c, err := l.Accept()
		check(t, err)
		ended := make(chan error, 1)
		go func() {
			_, _, err := c.(transport.Upgrader).AcceptUpgrade(shm.Upgrade, nil)
			ended <- err
		}()
		raw, err := nc.SyscallConn()
		check(t, err)
		check(t, raw.Control(func(s uintptr) {
			fds := make([]int, perByte)
			for range 8 { // a card is longer
				if unix.Sendmsg(int(s), []byte{0xff}, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL) != nil {
					break
				}
			}
		}))
		if err := <-ended; !errors.Is(err, shm.ErrPeer) || !strings.Contains(err.Error(), "more than 16 descriptors") {
			t.Fatal(err)
		}
		check(t, errors.Join(nc.Close(), c.Close(), l.Close()))
	}
	if n := openHere(t); n > before {
		t.Fatalf("%d descriptors are left", n-before)
	}
}

func openHere(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(all)
}
