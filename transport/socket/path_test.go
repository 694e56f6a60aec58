// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// TestForeignPaths: what is not a socket left over by us is refused with a reason and
// stays as it is.
func TestForeignPaths(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(t *testing.T, path string)
		want   error
		reason string
	}{
		{"regular file", func(t *testing.T, p string) { check(t, os.WriteFile(p, []byte("x"), 0o600)) }, transport.ErrForeign, "regular file"},
		{"directory", func(t *testing.T, p string) { check(t, os.Mkdir(p, 0o700)) }, transport.ErrForeign, "a directory"},
		{"dangling link", func(t *testing.T, p string) { check(t, os.Symlink(p+"-gone", p)) }, transport.ErrForeign, "symbolic link"},
		{"link to a socket", linkToSocket, transport.ErrForeign, "symbolic link"},
		{"fifo", func(t *testing.T, p string) { check(t, syscall.Mkfifo(p, 0o600)) }, transport.ErrForeign, "not a socket"},
		{"live socket without lock", func(t *testing.T, p string) { foreignSocket(t, "unix", p) }, transport.ErrInUse, "holds no lock"},
		{"live socket of another kind", func(t *testing.T, p string) { foreignSocket(t, "unixgram", p) }, transport.ErrInUse, "holds no lock"},
		{"socket of another user", foreignOwner, transport.ErrForeign, "belongs to user 12345"},
		{"lock is a link", func(t *testing.T, p string) { check(t, os.Symlink(p, p+".lock")) }, transport.ErrForeign, "symbolic link"},
		{"lock is a directory", func(t *testing.T, p string) { check(t, os.Mkdir(p+".lock", 0o700)) }, transport.ErrForeign, "not a regular file"},
		{"lock is a fifo", func(t *testing.T, p string) { check(t, syscall.Mkfifo(p+".lock", 0o600)) }, transport.ErrForeign, "not a regular file"},
		{"unsafe directory", func(t *testing.T, p string) { check(t, os.Chmod(filepath.Dir(p), 0o777)) }, socket.ErrUnsafe, "chmod o-w"},
		{"no directory", func(t *testing.T, p string) {
			check(t, os.Remove(filepath.Dir(p)))
			check(t, os.WriteFile(filepath.Dir(p), nil, 0o600))
		}, transport.ErrForeign, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ep := path("unix")(t)
			c.make(t, ep.Path())
			before := listing(t, ep.Path())
			l, err := socket.Unix().Listen(t.Context(), ep, nil)
			if l != nil {
				_ = l.Close()
				t.Fatal("Listen works")
			}
			var te *transport.Error
			if !errors.Is(err, c.want) || !errors.As(err, &te) || !strings.Contains(te.Reason, c.reason) {
				t.Errorf("%v is not %v with %q", err, c.want, c.reason)
			}
			if after := listing(t, ep.Path()); after != before {
				t.Errorf("the path was\n%sand is\n%s", before, after)
			}
		})
	}
}

func linkToSocket(t *testing.T, p string) {
	foreignSocket(t, "unix", p+"-real")
	check(t, os.Symlink(p+"-real", p))
}

// foreignSocket serves p without our lock.
func foreignSocket(t *testing.T, network, p string) {
	if network == "unixgram" {
		c, err := net.ListenUnixgram(network, &net.UnixAddr{Name: p, Net: network})
		check(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return
	}
	l, err := net.Listen(network, p)
	check(t, err)
	t.Cleanup(func() { _ = l.Close() })
}

func foreignOwner(t *testing.T, p string) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	leaveStale(t, p)
	check(t, os.Lchown(p, 12345, 12345))
}

// leaveStale leaves a socket at p at which nobody listens.
func leaveStale(t *testing.T, p string) {
	l, err := net.Listen("unix", p)
	check(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	check(t, l.Close())
}

// listing is what lies at a path and beside it, without lock files of ours.
func listing(t *testing.T, p string) string {
	var b strings.Builder
	for _, name := range []string{filepath.Dir(p), p, p + "-real", p + ".lock"} {
		info, err := os.Lstat(name)
		if err != nil || name == p+".lock" && info.Mode().IsRegular() {
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		b.WriteString(name + " " + info.Mode().String() + " " + strconv.FormatUint(st.Ino, 10) + " " + strconv.Itoa(int(st.Uid)) + "\n")
	}
	return b.String()
}

// TestCloseRemovesOurs: the socket goes, the lock file stays, a successor's file stays.
func TestCloseRemovesOurs(t *testing.T) {
	ep := path("unix")(t)
	l, err := socket.Unix().Listen(t.Context(), ep, nil)
	check(t, err)
	check(t, l.Close())
	if _, err := os.Lstat(ep.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the socket is still there:", err)
	}
	if _, err := os.Lstat(ep.Path() + ".lock"); err != nil {
		t.Error("the lock file is gone:", err)
	}
	l, err = socket.Unix().Listen(t.Context(), ep, nil)
	check(t, err)
	check(t, os.Remove(ep.Path()))
	leaveStale(t, ep.Path())
	check(t, l.Close())
	if _, err := os.Lstat(ep.Path()); err != nil {
		t.Error("Close removed somebody else's socket:", err)
	}
	l, err = socket.Unix().Listen(t.Context(), ep, nil)
	check(t, err)
	check(t, l.Close())
}

// TestNewDirectory: one level is made, for the owner alone.
func TestNewDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	l, err := socket.Unix().Listen(t.Context(), parse(t, "unix://"+dir+"/s"), nil)
	check(t, err)
	defer l.Close()
	info, err := os.Stat(dir)
	check(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Error(info.Mode())
	}
	_, err = socket.Unix().Listen(t.Context(), parse(t, "unix://"+dir+"/a/b/s"), nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "create the directory") {
		t.Error(err)
	}
}

// TestMode: what is asked for, by option or address, whatever the umask.
func TestMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	for _, c := range []struct {
		query string
		opts  *transport.Options
		want  fs.FileMode
	}{
		{"", nil, 0o600},
		{"", &transport.Options{Mode: 0o666}, 0o666},
		{"?mode=0660", nil, 0o660},
		{"?mode=0660", &transport.Options{Mode: 0o640}, 0o640},
		{"", &transport.Options{Group: strconv.Itoa(os.Getegid())}, 0o660},
		{"?group=" + strconv.Itoa(os.Getegid()), &transport.Options{Mode: 0o620}, 0o620},
	} {
		for _, scheme := range []string{"unix", "unixgram"} {
			ep := parse(t, path(scheme)(t).String()+c.query)
			l, err := socket.New().Listen(t.Context(), ep, c.opts)
			check(t, err)
			info, err := os.Lstat(ep.Path())
			check(t, err)
			if info.Mode().Perm() != c.want {
				t.Errorf("%s %+v: mode %v, want %v", ep, c.opts, info.Mode(), c.want)
			}
			check(t, l.Close())
		}
	}
}

// TestUnknownGroup leaves nothing behind.
func TestUnknownGroup(t *testing.T) {
	ep := path("unix")(t)
	_, err := socket.Unix().Listen(t.Context(), ep, &transport.Options{Group: "no-such-group-here"})
	if err == nil || !strings.Contains(err.Error(), "existing group") {
		t.Fatal(err)
	}
	if _, err := os.Lstat(ep.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("the socket is still there")
	}
}

// TestModeFromFirstInstant looks at the path all the time while it is bound again and
// again under the widest umask.
func TestModeFromFirstInstant(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux takes the mode over before the file exists; elsewhere nobody can connect until it is set")
	}
	ep := path("unix")(t)
	defer syscall.Umask(syscall.Umask(0))
	stop, seen := make(chan struct{}), make(chan map[fs.FileMode]int, 1)
	go watchMode(ep.Path(), stop, seen)
	for range 300 {
		l, err := socket.Unix().Listen(t.Context(), ep, nil)
		check(t, err)
		check(t, l.Close())
	}
	close(stop)
	modes := <-seen
	t.Logf("modes seen: %v", modes)
	for mode := range modes {
		if mode != 0o600 {
			t.Errorf("mode %v was seen", mode)
		}
	}
}

func watchMode(path string, stop <-chan struct{}, seen chan<- map[fs.FileMode]int) {
	modes := make(map[fs.FileMode]int)
	for {
		select {
		case <-stop:
			seen <- modes
			return
		default:
			if info, err := os.Lstat(path); err == nil {
				modes[info.Mode().Perm()]++
			}
		}
	}
}
