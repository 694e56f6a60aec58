// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"os"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// hubs are two, and a bridge between them, each a process.
type hubs struct {
	*testing.T
	dir        string
	west, east *process
	bridge     *process
}

func newHubs(t *testing.T) *hubs {
	dir, remove, err := runtimeDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	h := &hubs{T: t, dir: dir}
	h.west, h.east = h.serve("west"), h.serve("east")
	h.bridge = h.start("^linked west and east$", "bridge", h.at("west"), h.at("east"))
	return h
}

func (h *hubs) at(hub string) string { return "unix://" + h.dir + "/" + hub }

func (h *hubs) serve(id string, more ...string) *process {
	return h.start("^listening on ", append([]string{"serve", "-a", h.at(id), "--id", id, "--allow-bridge", "*"}, more...)...)
}

func (h *hubs) start(ready string, args ...string) *process {
	h.Helper()
	p, err := startProcess(os.Environ(), h.dir, args...)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(p.kill)
	if _, err := p.await(ready); err != nil {
		h.Fatal(err)
	}
	return p
}

func (h *hubs) provide() *process {
	return h.start("^providing ", "provide", "-a", h.at("west"), "--id", "alice", "work/wait", "--", "sleep", "1000")
}

func (h *hubs) dial(hub string) *plexus.Client {
	h.Helper()
	c, err := plexus.Dial(h.Context(), h.at(hub), nil)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { c.Close() })
	return c
}

// sees waits until a hub's channel work has alice of the west, or has not.
func (h *hubs) sees(c *plexus.Client, want bool) {
	h.Helper()
	if !poll(func() bool {
		x, err := c.Channel("work").Explore(h.Context(), "wait")
		return want == (err == nil && len(x.Methods) == 1)
	}) {
		h.Fatalf("work/wait is not as it should be: %v", want)
	}
}

// begin begins a call that does not end, and returns once it is under way in the west.
func (h *hubs) begin(c *plexus.Client) *plexus.Future[int] {
	h.Helper()
	call := plexus.Bind[any, int](c.Channel("work"), "wait").Go(context.Background(), nil)
	west := h.dial("west")
	if !poll(func() bool {
		s, err := statusOf(h.Context(), west)
		return err == nil && s.Calls > 0
	}) {
		h.Fatal("the call did not come to the west")
	}
	return call
}

// Whatever dies, the caller is told, nothing is left of the other side, and what comes back
// is there again.
func TestBridgeDeaths(t *testing.T) {
	for _, victim := range []string{"bridge", "west", "provider"} {
		t.Run(victim, func(t *testing.T) {
			h := newHubs(t)
			provider := h.provide()
			bob := h.dial("east")
			h.sees(bob, true)
			call := h.begin(bob)
			switch victim {
			case "bridge":
				h.bridge.kill()
			case "west":
				h.west.kill()
			case "provider":
				provider.kill()
			}
			_, err := call.Wait(t.Context())
			if status.CodeOf(err) != status.PeerGone || status.Retryable(err) {
				t.Fatalf("the caller is told %v", err)
			}
			h.sees(bob, false)
			if _, err := plexus.Call[int](t.Context(), bob.Channel("work"), "wait", 1); status.CodeOf(err) != status.NoProvider || !status.Retryable(err) {
				t.Fatalf("the next call: %v", err)
			}
			switch victim {
			case "bridge":
				h.start("^linked ", "bridge", h.at("west"), h.at("east"))
			case "west":
				h.serve("west")
				h.provide()
			case "provider":
				h.provide()
			}
			h.sees(bob, true)
		})
	}
}

// A hub can link itself with others.
func TestServeWithBridge(t *testing.T) {
	h := newHubs(t)
	h.provide()
	h.serve("third", "--bridge", h.at("east"), "--bridge-channel", "work")
	h.sees(h.dial("third"), true)
}

func statusOf(ctx context.Context, c *plexus.Client) (s operation.HubStatus, err error) {
	err = c.Channel("$").Operate(ctx, operation.Status, operation.Empty{}, &s)
	return s, err
}
