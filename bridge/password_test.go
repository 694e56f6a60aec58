// SPDX-License-Identifier: Apache-2.0

package bridge_test

import (
	"context"
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/bridge"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// A channel with a password is carried by a bridge that has it, and guarded by it in the other
// hub, too: who calls through a guest has proved it there.
func TestPasswords(t *testing.T) {
	west, east := newHouse(t, "west", false), newHouse(t, "east", false)
	alice, bob := west.member("alice"), east.member("bob")
	const password = "open sesame"
	joinBy(t, bridge.Config{A: bridge.Side{Dial: west.dial}, B: bridge.Side{Dial: east.dial}, Passwords: map[string]string{"safe": password}})
	whoIn(t, alice.Channel("safe").WithPassword(password))
	_, err := plexus.Declare(alice.Channel("safe"), "news")
	must(t, err)
	inside := bob.Channel("safe").WithPassword(password)
	eventually(t, "the channel is there with its password", func() bool {
		_, err := inside.Members(t.Context())
		return err == nil
	})
	carl := east.member("carl")
	for _, err := range []error{
		second(carl.Channel("safe").Members(t.Context())),
		second(plexus.Call[string](t.Context(), carl.Channel("safe"), "who", "")),
		second(plexus.Subscribe[int](t.Context(), carl.Channel("safe"), ">")),
	} {
		if !errors.Is(err, status.Locked) {
			t.Errorf("without the password: %v", err)
		}
	}
	eventually(t, "the method is there", func() bool {
		answer, err := plexus.Call[string](t.Context(), inside, "who", "call")
		return err == nil && answer == "call from bob@east"
	})
	sub, err := plexus.Subscribe[int](t.Context(), inside, ">")
	must(t, err)
	eventually(t, "publications come", func() bool {
		must(t, plexus.Publish(t.Context(), alice.Channel("safe"), "news", 7))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p, err := sub.Next(ctx)
		return err == nil && p.Value == 7 && p.Sender == "alice@west"
	})
}

// A channel that is guarded on one side only, or whose password the bridge does not have, stays
// where it is.
func TestPasswordsThatDoNotFit(t *testing.T) {
	west, east := newHouse(t, "west", false), newHouse(t, "east", false)
	alice, bob := west.member("alice"), east.member("bob")
	for _, channel := range []string{"half", "unknown"} {
		_, err := alice.Channel(channel).WithPassword("open sesame").Join(t.Context())
		must(t, err)
	}
	_, err := bob.Channel("half").Join(t.Context())
	must(t, err)
	_, err = alice.Channel("open").Join(t.Context())
	must(t, err)
	span := joinBy(t, bridge.Config{A: bridge.Side{Dial: west.dial}, B: bridge.Side{Dial: east.dial}, Passwords: map[string]string{"half": "open sesame"}})
	hasMembers(t, bob, "open", "alice@west")
	eventually(t, "the bridge comes to rest", func() bool { return span.Stats().Pending == 0 })
	hasMembers(t, bob, "half", "bob")
	hasMembers(t, bob, "unknown")
	hasMembers(t, alice, "half", "alice")
}

// The capacity of a group's providers is shared out among their guests.
func TestGroupAcrossABridge(t *testing.T) {
	west, east := newHouse(t, "west", false), newHouse(t, "east", false)
	bob := east.member("bob")
	for _, id := range []string{"one", "two"} {
		_, err := plexus.Handle(west.member(id).Channel("jobs"), "who", func(context.Context, string) (string, error) { return id, nil },
			service.WithGroup("pool"), service.WithBalance("round_robin"), service.WithCapacity(4))
		must(t, err)
	}
	join(t, west, east)
	eventually(t, "both are offered", func() bool {
		x, err := bob.Channel("jobs").Explore(t.Context(), "who")
		return err == nil && len(x.Methods[0].Providers) == 2 && x.Methods[0].Group == "pool" && x.Methods[0].Capacity == 8
	})
	seen := map[string]int{}
	for range 20 {
		by, err := plexus.Call[string](t.Context(), bob.Channel("jobs"), "who", "")
		must(t, err)
		seen[by]++
	}
	if seen["one"] != 10 || seen["two"] != 10 {
		t.Error(seen)
	}
}

func second[T any](_ T, err error) error { return err }
