// SPDX-License-Identifier: Apache-2.0

//go:build unix

package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/status"
)

const (
	openList   = `{"rules": [{"who": ["own"], "allow": ["*"]}]}`
	closedList = `{"rules": [{"who": ["own"], "allow": ["*"], "channel": "other"}]}`
	brokenList = "{\"rules\": [\n  {\"who\": [\"own\"], \"alow\": [\"*\"]}\n]}"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
	must(t, os.Chmod(path, 0o644)) // whatever the mask
}

// Fault case 23: a list that is broken, gone, or cannot be opened because no descriptor is free
// leaves the old one in force, with one line of the log; a good one is in force at once.
func TestReloadFailsClosed(t *testing.T) {
	path := filepath.Join(folder(t), "access.json")
	write(t, path, openList)
	address := unix(t)
	d := start(t, daemon.Config{Listen: []string{address}, AccessFile: path})
	c := dial(t, address, nil)
	joins := func(channel string) error { _, err := c.Channel(channel).Join(t.Context()); return err }
	must(t, joins("first"))
	lines := 0
	fails := func(what, want string, reload func() error) {
		t.Helper()
		err := reload()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
		lines++
		if n := strings.Count(d.log.String(), "reload failed"); n != lines {
			t.Errorf("%s: %d lines of the log, not %d:\n%s", what, n, lines, d.log)
		}
		must(t, joins("second"))
		_, err = c.Channel("second").Join(t.Context())
		must(t, err)
	}
	reload := func() error { return d.Reload(t.Context()) }
	write(t, path, brokenList)
	fails("broken", path+`:2:20: there is no field "alow"`, reload)
	must(t, os.Remove(path))
	fails("gone", "no such file", reload)
	write(t, path, openList)
	must(t, os.Chmod(path, 0o666))
	fails("writable", "others can write it", reload)
	write(t, path, closedList)
	fails("no free descriptors", "too many open files", func() error {
		release := exhaust(t)
		defer release()
		return reload()
	})
	must(t, reload())
	if err := joins("first"); status.CodeOf(err) != status.PermissionDenied {
		t.Fatal(err)
	}
	must(t, joins("other"))
	if r := d.Reloads(); len(r) != 1 || r[0] != "access list" {
		t.Fatal(r)
	}
}

// exhaust uses up all descriptors of the process.
func exhaust(t testing.TB) (release func()) {
	t.Helper()
	var limit, old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	limit = old
	limit.Cur = 256
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	var all []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		all = append(all, f)
	}
	return func() {
		for _, f := range all {
			f.Close()
		}
		must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old))
	}
}

// A list that somebody else could have written is not taken.
func TestReadAccessMistrusts(t *testing.T) {
	dir := folder(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"good", "group", "world", "foreign"} {
		write(t, file(name), openList)
	}
	must(t, os.Chmod(file("group"), 0o664))
	must(t, os.Chmod(file("world"), 0o646))
	must(t, syscall.Mkfifo(file("pipe"), 0o600))
	must(t, os.Mkdir(file("everybody"), 0o777))
	must(t, os.Chmod(file("everybody"), 0o777))
	write(t, file("everybody/list"), openList)
	must(t, os.Mkdir(file("sticky"), 0o777))
	must(t, os.Chmod(file("sticky"), 0o777|os.ModeSticky))
	write(t, file("sticky/list"), openList)
	must(t, os.Symlink(file("good"), file("link")))
	must(t, os.Symlink(file("everybody/list"), file("far")))
	must(t, os.Symlink(file("nowhere"), file("dangling")))
	cases := map[string]string{
		"good": "", "link": "", "sticky/list": "", "group": "others can write it", "world": "others can write it", "pipe": "no regular file",
		".": "no regular file", "everybody/list": "every user can replace it", "far": "every user can replace it", "dangling": "no such file", "none": "no such file",
	}
	if os.Geteuid() == 0 {
		must(t, os.Chown(file("foreign"), 12345, 12345))
		cases["foreign"] = "it belongs to uid:12345"
		must(t, os.Symlink(file("good"), file("planted")))
		must(t, os.Lchown(file("planted"), 12345, 12345))
		cases["planted"] = "a symbolic link of another user (uid:12345)"
		must(t, os.Mkdir(file("theirs"), 0o755))
		write(t, file("theirs/list"), openList)
		must(t, os.Chown(file("theirs"), 12345, 12345))
		cases["theirs/list"] = "its directory belongs to uid:12345"
	}
	for name, want := range cases {
		a, err := daemon.ReadAccess(file(name))
		switch {
		case want == "" && (err != nil || len(a.Rules()) != 1):
			t.Errorf("%s: %v", name, err)
		case want != "" && (status.CodeOf(err) != status.InvalidArgument || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	list, err := guard.NewAccess(nil)
	must(t, err)
	if _, err := daemon.New(daemon.Config{AccessFile: file("good"), Hub: hub.Config{Access: list}}); status.CodeOf(err) != status.InvalidArgument {
		t.Error(err)
	}
	if _, err := daemon.New(daemon.Config{AccessFile: file("world")}); status.CodeOf(err) != status.InvalidArgument {
		t.Error(err)
	}
}

// Reload calls all in order, one turn at a time; one that fails keeps none of the others.
func TestReloadInTurns(t *testing.T) {
	d, err := daemon.New(daemon.Config{Listen: []string{unix(t)}, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer func() { must(t, errors.Join(d.Hub().Close(), d.Server().Close())) }()
	must(t, d.Reload(t.Context())) // nothing to do
	var called []string
	busy := false // guarded by the turns: the race detector would see it
	step := func(name string, err error) func(context.Context) error {
		return func(context.Context) error {
			if busy {
				t.Error("two at a time")
			}
			busy = true
			called = append(called, name)
			busy = false
			return err
		}
	}
	wrong := errors.New("b.txt:1: wrong")
	d.OnReload("a", step("a", nil))
	d.OnReload("b", step("b", wrong))
	d.OnReload("c", step("c", nil))
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() { errs <- d.Reload(t.Context()) }()
	}
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, wrong) {
			t.Error(err)
		}
	}
	if got := strings.Join(called, ""); got != strings.Repeat("abc", cap(errs)) {
		t.Fatal(got)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Reload(over); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
