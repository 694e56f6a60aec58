// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/status"
)

// stranger is a user that is neither root nor the one of the tests.
const stranger = 54321

// asStranger runs f in a thread that belongs to another user. The thread ends with f.
func asStranger(t *testing.T, f func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: Go ends the thread
		_, _, e1 := syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_, _, e2 := syscall.RawSyscall(unix.SYS_SETRESGID, stranger, stranger, stranger)
		_, _, e3 := syscall.RawSyscall(unix.SYS_SETRESUID, stranger, stranger, stranger)
		if e1|e2|e3 != 0 {
			done <- errors.Join(e1, e2, e3)
			return
		}
		done <- f()
	}()
	must(t, <-done)
}

// squat has the stranger serve an address, and take whoever comes.
func squat(t *testing.T, address string, secret []byte) *plexus.Server {
	t.Helper()
	var srv *plexus.Server
	asStranger(t, func() (err error) {
		srv, err = plexus.Listen(address, &plexus.ListenOptions{Secret: secret, Allow: &auth.Allow{UIDs: []int{0}}, Hub: hub.New(hub.Config{})})
		return err
	})
	t.Cleanup(func() { srv.Close() })
	return srv
}

// publicFolder is one that every user can write to.
func publicFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "plexus-squat")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	return dir
}

// Another user who took the hub's place is found out, and named, before it is told anything;
// unless it has been said that the hub is his, or it proves what both know.
func TestSquatting(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	for name, address := range map[string]string{
		"path": "unix://" + publicFolder(t) + "/s", "shared memory": "shm://" + publicFolder(t) + "/s",
		"packets": "unixpacket://" + publicFolder(t) + "/s", "abstract name": "unix://@plexus-squat-" + filepath.Base(publicFolder(t)),
	} {
		t.Run(name, func(t *testing.T) {
			srv := squat(t, address, nil)
			try := func(o plexus.DialOptions) error {
				t.Helper()
				c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &o)
				if err == nil {
					c.Close()
				}
				return err
			}
			err := try(plexus.DialOptions{})
			if status.CodeOf(err) != status.PermissionDenied || !strings.Contains(err.Error(), "uid 54321") || !strings.Contains(err.Error(), "--server-user") {
				t.Fatal(err)
			}
			if err := try(plexus.DialOptions{Secret: secret}); status.CodeOf(err) != status.Unauthenticated {
				t.Fatal("a hub without the secret: ", err)
			}
			must(t, try(plexus.DialOptions{Server: &auth.Allow{UIDs: []int{stranger}}}))
			if err := try(plexus.DialOptions{Server: &auth.Allow{UIDs: []int{stranger + 1}}, Secret: secret}); status.CodeOf(err) != status.PermissionDenied {
				t.Fatal(err)
			}
			srv.Close()
			knows := squat(t, address, secret)
			c, err := plexus.Dial(t.Context(), knows.Endpoints()[0], &plexus.DialOptions{Secret: secret})
			must(t, err)
			c.Close()
		})
	}
}

// Where no other user can write, who serves may be any user.
func TestServerAtASafePlace(t *testing.T) {
	dir, err := os.MkdirTemp("/run", "plexus-squat")
	if err != nil {
		t.Skip("only root has such a place")
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chown(dir, stranger, stranger))
	address := "unix://" + dir + "/s"
	srv := squat(t, address, nil)
	c, err := plexus.Dial(t.Context(), address, nil)
	must(t, err)
	must(t, c.Close())
	srv.Close()
	must(t, os.Chmod(dir, 0o775)) // from now on a group could have put it there
	squat(t, address, nil)
	if _, err = plexus.Dial(t.Context(), address, nil); status.CodeOf(err) != status.PermissionDenied || !strings.Contains(err.Error(), "other users can write to "+dir) {
		t.Fatal(err)
	}
}

// A server that has to be somebody cannot be one whom the transport does not know.
func TestServerUnknown(t *testing.T) {
	srv, err := plexus.Listen("tcp://127.0.0.1:0", nil)
	must(t, err)
	defer srv.Close()
	_, err = plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{Server: &auth.Allow{Same: true}})
	if status.CodeOf(err) != status.Unauthenticated || !strings.Contains(err.Error(), "does not tell which user the server is") {
		t.Fatal(err)
	}
}
