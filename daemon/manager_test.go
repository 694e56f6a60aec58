// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/status"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestInheritedSockets(t *testing.T) {
	for _, c := range []struct {
		env  func(string) string
		want []daemon.Inherited
	}{
		{env(), nil},
		{env("LISTEN_FDS", "2"), nil}, {env("LISTEN_PID", "7"), nil},
		{env("LISTEN_PID", "8", "LISTEN_FDS", "2"), nil},   // another process's
		{env("LISTEN_PID", "8", "LISTEN_FDS", "-99"), nil}, // and whatever it is
		{env("LISTEN_PID", "7", "LISTEN_FDS", "0"), nil},
		{env("LISTEN_PID", "7", "LISTEN_FDS", "2"), []daemon.Inherited{{FD: 3}, {FD: 4}}},
		{env("LISTEN_PID", "7", "LISTEN_FDS", "2", "LISTEN_FDNAMES", "a.socket:tls"), []daemon.Inherited{{3, "a.socket"}, {4, "tls"}}},
		{env("LISTEN_PID", "7", "LISTEN_FDS", "2", "LISTEN_FDNAMES", ":"), []daemon.Inherited{{FD: 3}, {FD: 4}}},
	} {
		if got, err := daemon.InheritedSockets(c.env, 7); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v, %v; want %v", got, err, c.want)
		}
	}
	for _, bad := range [][]string{
		{"LISTEN_PID", "x", "LISTEN_FDS", "1"}, {"LISTEN_PID", "-7", "LISTEN_FDS", "1"}, {"LISTEN_PID", "7", "LISTEN_FDS", "x"},
		{"LISTEN_PID", "7", "LISTEN_FDS", "-1"}, {"LISTEN_PID", "7", "LISTEN_FDS", "65"}, {"LISTEN_PID", "7", "LISTEN_FDS", "99999999999999999999"},
		{"LISTEN_PID", "7", "LISTEN_FDS", "1", "LISTEN_FDNAMES", "a:b"},
	} {
		if got, err := daemon.InheritedSockets(env(bad...), 7); got != nil || !errors.Is(err, status.InvalidArgument) {
			t.Errorf("%v: %v, %v", bad, got, err)
		}
	}
}

func TestNotifierRefuses(t *testing.T) {
	if n, err := daemon.NewNotifier(env("WATCHDOG_USEC", "x"), 7); n != nil || err != nil {
		t.Error(n, err) // nobody to be told
	}
	if n, err := daemon.NewNotifier(env("NOTIFY_SOCKET", t.TempDir()+"/nobody"), 7); n != nil || !errors.Is(err, status.Unavailable) {
		t.Error(n, err)
	}
	for _, bad := range [][]string{
		{"NOTIFY_SOCKET", "relative"}, {"NOTIFY_SOCKET", "/"}, {"NOTIFY_SOCKET", "@"}, {"NOTIFY_SOCKET", "vsock:2:1"},
		{"NOTIFY_SOCKET", "/run/x", "WATCHDOG_USEC", "x"}, {"NOTIFY_SOCKET", "/run/x", "WATCHDOG_USEC", "0"},
		{"NOTIFY_SOCKET", "/run/x", "WATCHDOG_USEC", "-5"}, {"NOTIFY_SOCKET", "/run/x", "WATCHDOG_USEC", "99999999999999"},
	} {
		if n, err := daemon.NewNotifier(env(bad...), 7); n != nil || !errors.Is(err, status.InvalidArgument) {
			t.Errorf("%v: %v, %v", bad, n, err)
		}
	}
	var none *daemon.Notifier
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzInheritedSockets: whatever the variables say, what comes out are as many descriptors as
// were told of, the first of them 3, or a typed error.
func FuzzInheritedSockets(f *testing.F) {
	f.Add("7", "2", "a:tls")
	f.Add("7", "64", "")
	f.Add("8", "x", ":::")
	f.Add("7", "-1", "\x00")
	f.Fuzz(func(t *testing.T, pid, fds, names string) {
		all, err := daemon.InheritedSockets(env("LISTEN_PID", pid, "LISTEN_FDS", fds, "LISTEN_FDNAMES", names), 7)
		if err != nil && (all != nil || !errors.Is(err, status.InvalidArgument)) {
			t.Fatal(all, err)
		}
		if len(all) > 64 {
			t.Fatal(len(all))
		}
		for i, in := range all {
			if in.FD != 3+i {
				t.Fatalf("%+v", all)
			}
		}
	})
}
