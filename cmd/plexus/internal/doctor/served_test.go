// SPDX-License-Identifier: Apache-2.0

//go:build unix

package doctor

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// TestWhoServes: the same judgement as Listen's, and nothing is touched.
func TestWhoServes(t *testing.T) {
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.sock")
	want := func(kind Kind, pid int) {
		t.Helper()
		if s, err := whoServes(path); err != nil || s != (State{kind, pid}) {
			t.Errorf("%+v, %v; want %v, %d", s, err, kind, pid)
		}
	}
	if _, err := whoServes(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("nothing is there:", err)
	}

	ep, err := endpoint.Unix(path)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := socket.Unix().Listen(t.Context(), ep, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(Served, os.Getpid())
	want(Served, os.Getpid())
	ours.Close()

	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	want(Foreign, 0)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	want(Stale, 0)
	if _, err := os.Lstat(path); err != nil {
		t.Error("it was removed:", err)
	}
	os.Remove(path)
	gram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	want(Foreign, 0)
	gram.Close()

	if ours, err = socket.Unix().Listen(t.Context(), ep, nil); err != nil { // a look leaves no lock
		t.Fatal(err)
	}
	ours.Close()
}

// TestLstat: what checks need to know of files.
func TestLstat(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	f, err := lstat(dir)
	if err != nil || !f.Dir || f.Mode != 0o1777 || f.UID != os.Getuid() {
		t.Errorf("%+v, %v", f, err)
	}
	if err := os.Symlink(dir, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if f, err := lstat(dir + "/link"); err != nil || !f.Link || f.Dir {
		t.Errorf("%+v, %v", f, err)
	}
}
