// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// TestGroupSurvivesKill kills the process of a group that has a call: the hub sends the call
// to another if it may be executed twice, and else the caller is told; the next call goes to
// who is left.
func TestGroupSurvivesKill(t *testing.T) {
	w := newTown(t)
	c := w.dial()
	w.start("^providing ", "provide", "work/owner", "--", "cat") // it stays: with its owner the channel would end
	const command = `if [ "$PLEXUS_ATTEMPT" = 1 ]; then exec sleep 1000; fi; echo "$PLEXUS_ATTEMPT"`
	for _, twice := range []bool{true, false} {
		name, flags := "once", []string{"--group", "g", "--balance", "round_robin"}
		if twice {
			name, flags = "twice", append(flags, "--idempotent")
		}
		first := w.start("^providing ", append(append([]string{"provide", "work/" + name}, flags...), "--", "sh", "-c", command)...)
		w.start("^providing ", append(append([]string{"provide", "work/" + name}, flags...), "--", "sh", "-c", command)...)
		call := plexus.Bind[any, json.RawMessage](c.Channel("work"), name).Go(context.Background(), nil)
		if _, err := plexus.Call[string](t.Context(), c.Channel("work"), "owner", "it was sent"); err != nil {
			t.Fatal(err)
		}
		first.kill()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		got, err := call.Wait(ctx)
		if twice && (err != nil || string(got) != "2") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if !twice && status.CodeOf(err) != status.PeerGone {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	w.start("^providing ", "provide", "work/once", "--group", "g", "--", "cat")
	for range 2 { // one of them never answers
		call := plexus.Bind[any, json.RawMessage](c.Channel("work"), "once").Go(context.Background(), nil)
		defer call.Cancel()
	}
	if _, err := plexus.Call[string](t.Context(), c.Channel("work"), "owner", "the hub lives"); err != nil {
		t.Fatal(err)
	}
}
