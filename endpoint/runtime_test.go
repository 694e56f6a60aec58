// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
)

// env is a getenv that knows what it was given: name, value, name, value …
func env(pairs ...string) func(string) string {
	return func(name string) string {
		if i := slices.Index(pairs, name); i >= 0 && i%2 == 0 {
			return pairs[i+1]
		}
		return ""
	}
}

func TestRuntimeDir(t *testing.T) {
	const mac = "/var/folders/xx/yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy/T/"
	for _, c := range []struct {
		getenv     func(string) string
		goos, want string
	}{
		{env("XDG_RUNTIME_DIR", "/run/user/7"), "linux", "/run/user/7/plexus"},
		{env("XDG_RUNTIME_DIR", "/run/user/7/"), "linux", "/run/user/7/plexus"},
		{env("XDG_RUNTIME_DIR", "run/user/7"), "linux", "/tmp/plexus-7"},
		{env("XDG_RUNTIME_DIR", "/run/\x1b"), "linux", "/tmp/plexus-7"},
		{env("XDG_RUNTIME_DIR", "/run/../etc"), "linux", "/tmp/plexus-7"},
		{env("TMPDIR", "/var/tmp"), "linux", "/tmp/plexus-7"},
		{env(), "freebsd", "/tmp/plexus-7"},
		{env("TMPDIR", mac), "darwin", mac + "plexus-7"},
		{env(), "darwin", "/tmp/plexus-7"},
		{env("USERNAME", "Ann Lee", "USERDOMAIN", "CORP"), "windows", `\\.\pipe\plexus-corp-ann_lee`},
		{env("USERNAME", `a\..\b`), "windows", `\\.\pipe\plexus-a_.._b`},
		{env(), "windows", `\\.\pipe\plexus`},
	} {
		if got := endpoint.RuntimeDir(c.getenv, 7, c.goos); got != c.want {
			t.Errorf("RuntimeDir on %s = %q, want %q", c.goos, got, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	const pipes = `\\.\pipe\plexus-ann`
	for _, c := range []struct{ in, dir, want string }{
		{"demo", "/run/user/7/plexus", "unix:///run/user/7/plexus/demo.sock"},
		{"demo?mode=0660&group=dev", "/run/plexus", "unix:///run/plexus/demo.sock?group=dev&mode=0660"},
		{"a b", "/run/plexus/", "unix:///run/plexus/a%20b.sock"},
		{"demo", `C:\run`, "unix:///C:/run/demo.sock"},
		{"demo", pipes, "npipe://./pipe/plexus-ann-demo"},
		{"demo?mode=0660&one=1", pipes, "npipe://./pipe/plexus-ann-demo?one=1"},
		{"tcp://h:1", "/run/plexus", "tcp://h:1"},
		{"demo", "run", ""},
		{"demo", "", ""},
		{"demo", "/" + strings.Repeat("d", 95), ""},
	} {
		e, err := parse(t, c.in).Resolve(c.dir)
		if e.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Resolve(%q) of %s = %q, %v; want %q", c.dir, c.in, e, err, c.want)
		}
	}
}

func TestConnectBack(t *testing.T) {
	e := parse(t, "unix:///run/a b?one=1")
	args := append([]string{"-v"}, endpoint.Args(e)...)
	got, rest, err := endpoint.FromArgs(append(args, "x", "--", endpoint.Flag))
	if err != nil || got != e || !slices.Equal(rest, []string{"-v", "x", "--", endpoint.Flag}) {
		t.Errorf("FromArgs = %s, %q, %v", got, rest, err)
	}
	name, value, _ := strings.Cut(endpoint.Env(e)[0], "=")
	if got, err := endpoint.FromEnv(env(name, value)); err != nil || got != e {
		t.Errorf("FromEnv = %s, %v", got, err)
	}
	if got, _, err := endpoint.FromArgs([]string{endpoint.Flag, "demo"}); err != nil || got != parse(t, "demo") {
		t.Errorf("two arguments: %s, %v", got, err)
	}
}

func TestConnectBackAbsentOrBad(t *testing.T) {
	if e, err := endpoint.FromEnv(env()); err != nil || !e.IsZero() {
		t.Errorf("got %s, %v", e, err)
	}
	if e, rest, err := endpoint.FromArgs([]string{"a"}); err != nil || !e.IsZero() || !slices.Equal(rest, []string{"a"}) {
		t.Errorf("got %s, %q, %v", e, rest, err)
	}
	if e, err := endpoint.FromEnv(env(endpoint.EnvVar, "tcp://")); err == nil {
		t.Errorf("got %s", e)
	}
	flag := endpoint.Flag
	for _, args := range [][]string{{flag}, {flag + "="}, {flag, "tcp://"}, {flag, "a", flag, "b"}} {
		if e, _, err := endpoint.FromArgs(args); err == nil {
			t.Errorf("FromArgs(%q) = %s", args, e)
		}
	}
}
