// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/guard"
)

func TestBackoff(t *testing.T) {
	var b guard.Backoff
	now := time.Unix(1000, 0)
	for i, seconds := range []int{0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60} {
		want := time.Duration(seconds) * time.Second
		if got := b.Failed("a", now); got != want {
			t.Fatalf("failure %d costs %v, not %v", i+1, got, want)
		}
		if got := b.Wait("a", now); got != want {
			t.Fatalf("after failure %d: wait %v", i+1, got)
		}
		if got := b.Wait("b", now); got != 0 {
			t.Fatalf("another waits %v", got)
		}
	}
	if got := b.Wait("a", now.Add(59*time.Second)); got != time.Second {
		t.Fatal(got)
	}
	if got := b.Wait("a", now.Add(-time.Hour)); got != time.Minute {
		t.Fatalf("the clock was set back: wait %v", got)
	}
	if got := b.Wait("a", now.Add(12*time.Minute)); got != 0 || b.Len() != 0 {
		t.Fatalf("nothing is forgotten: %v, %d", got, b.Len())
	}
}

// The table is bounded; who guesses most recently stays in it.
func TestBackoffIsBounded(t *testing.T) {
	var b guard.Backoff
	now := time.Unix(1000, 0)
	for i := range 20_000 {
		if i%100 == 0 {
			b.Failed("persistent", now)
		}
		b.Failed(fmt.Sprint(i), now)
	}
	if b.Len() > 4096 || b.Wait("persistent", now) == 0 {
		t.Fatal(b.Len(), b.Wait("persistent", now))
	}
}

// Two sessions of one user, or of one machine, are one guesser.
func TestGuesser(t *testing.T) {
	user := auth.Identity{Name: "secret", UID: 1000, GID: 1000, PID: 1, HasCredentials: true, RemoteAddress: "unix:///a"}
	other := user
	other.PID, other.RemoteAddress = 2, "unix:///b"
	if guard.Guesser(user) != guard.Guesser(other) {
		t.Fatal("a new process is a new guesser")
	}
	other.UID = 1001
	if guard.Guesser(user) == guard.Guesser(other) {
		t.Fatal("all users are one guesser")
	}
	far := auth.Identity{Name: "secret", UID: -1, GID: -1, RemoteAddress: "tcp://192.0.2.1:5000"}
	again := far
	again.RemoteAddress = "tcp://192.0.2.1:6000"
	if guard.Guesser(far) != guard.Guesser(again) {
		t.Fatal("a new port is a new guesser")
	}
	again.RemoteAddress = "tcp://192.0.2.2:5000"
	if guard.Guesser(far) == guard.Guesser(again) {
		t.Fatal("all machines are one guesser")
	}
}
