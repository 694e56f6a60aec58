// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// asUser runs f in a thread that belongs to another user. The thread ends with f.
func asUser(t *testing.T, uid, gid int, f func() error) error {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: Go ends the thread
		_, _, e1 := syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_, _, e2 := syscall.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
		_, _, e3 := syscall.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
		if e1|e2|e3 != 0 {
			done <- errors.Join(e1, e2, e3)
			return
		}
		done <- f()
	}()
	return <-done
}

// openDir makes a directory that everybody may enter.
func openDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/tmp", "plexus-access")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	return dir
}

// TestAccess: other users are refused, members of the granted group are not, and each
// side sees who the other is.
func TestAccess(t *testing.T) {
	const other, group = 54321, 54322
	for _, scheme := range []string{"unix", "unixpacket", "unixgram"} {
		t.Run(scheme, func(t *testing.T) {
			ep := parse(t, scheme+"://"+filepath.Join(openDir(t), "s"))
			dial := func() error { return dialOnce(t, ep) }
			l, err := socket.New().Listen(t.Context(), ep, nil)
			check(t, err)
			if err := asUser(t, other, group, dial); !errors.Is(err, transport.ErrDenied) {
				t.Errorf("%v instead of ErrDenied", err)
			}
			check(t, l.Close())
			l, err = socket.New().Listen(t.Context(), ep, &transport.Options{Group: "54322"})
			check(t, err)
			defer l.Close()
			if err := asUser(t, other, group+1, dial); !errors.Is(err, transport.ErrDenied) {
				t.Errorf("%v instead of ErrDenied", err)
			}
			accepted := make(chan transport.Credentials, 1)
			go func() { accepted <- acceptCredentials(t, l) }()
			check(t, asUser(t, other, group, dial))
			if c := <-accepted; c.UID != other || c.GID != group || c.PID != os.Getpid() {
				t.Errorf("credentials %+v", c)
			}
		})
	}
}

func dialOnce(t *testing.T, ep endpoint.Endpoint) error {
	c, err := socket.New().Dial(t.Context(), ep, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	cred, err := c.(transport.Credentialer).PeerCredentials()
	if err == nil && cred.UID != 0 {
		t.Errorf("credentials of the listener %+v", cred)
	}
	return err
}

func acceptCredentials(t *testing.T, l transport.Listener) transport.Credentials {
	c, err := l.Accept()
	if err != nil {
		t.Error(err)
		return transport.Credentials{}
	}
	defer c.Close()
	cred, err := c.(transport.Credentialer).PeerCredentials()
	if err != nil {
		t.Error(err)
	}
	return cred
}

// TestFullBacklog: a full backlog is waited out, until the context ends.
func TestFullBacklog(t *testing.T) {
	ep := path("unix")(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(fd)
	check(t, unix.Bind(fd, &unix.SockaddrUnix{Name: ep.Path()}))
	check(t, unix.Listen(fd, 0))
	waiting, err := socket.Unix().Dial(t.Context(), ep, nil) // a backlog of 0 takes one
	check(t, err)
	defer waiting.Close()

	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = socket.Unix().Dial(short, ep, nil)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("%v instead of a deadline and EAGAIN", err)
	}

	done := make(chan error, 1)
	go func() {
		c, err := socket.Unix().Dial(t.Context(), ep, nil)
		if err == nil {
			err = c.Close()
		}
		done <- err
	}()
	nfd, _, err := unix.Accept(fd)
	check(t, err)
	defer unix.Close(nfd)
	check(t, <-done)
}
