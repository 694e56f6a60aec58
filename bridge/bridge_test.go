// SPDX-License-Identifier: Apache-2.0

package bridge_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/bridge"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

// anybody lets everyone be a bridge.
func anybody(auth.Identity) bool { return true }

// house is a hub with a server.
type house struct {
	t    testing.TB
	hub  *hub.Hub
	srv  *plexus.Server
	addr string // "" for in-process sessions
}

func newHouse(t testing.TB, id string, unix bool) *house {
	t.Helper()
	return newHouseOf(t, hub.Config{ID: id}, unix)
}

func newHouseOf(t testing.TB, cfg hub.Config, unix bool) *house {
	t.Helper()
	cfg.Bridges = anybody
	h := &house{t: t, hub: hub.New(cfg)}
	var err error
	h.srv, err = plexus.NewServer(&plexus.ListenOptions{ID: cfg.ID, Hub: h.hub})
	must(t, err)
	if unix {
		dir, err := os.MkdirTemp("", "plexus")
		must(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		h.addr = "unix://" + filepath.Join(dir, "s")
		must(t, h.srv.Bind(t.Context(), h.addr))
	}
	t.Cleanup(func() {
		h.hub.Close()
		h.srv.Close()
	})
	return h
}

func (h *house) dial(ctx context.Context, o plexus.DialOptions) (*plexus.Client, error) {
	if h.addr == "" {
		return plexus.Join(ctx, h.srv, &o)
	}
	return bridge.To(h.addr, plexus.DialOptions{})(ctx, o)
}

// member is one of a hub.
func (h *house) member(id string) *plexus.Client {
	h.t.Helper()
	c, err := h.dial(context.Background(), plexus.DialOptions{ID: id})
	must(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	return c
}

// span is a bridge that runs.
type span struct {
	*bridge.Bridge
	stop func()
}

// join links two hubs, and waits until they know of each other.
func join(t testing.TB, a, b *house) *span {
	return joinBy(t, bridge.Config{A: bridge.Side{Dial: a.dial}, B: bridge.Side{Dial: b.dial}})
}

func joinBy(t testing.TB, cfg bridge.Config) *span {
	t.Helper()
	cfg.MinWait, cfg.MaxWait = time.Millisecond, 50*time.Millisecond
	br, err := bridge.New(cfg)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = br.Run(ctx)
	}()
	stop := func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	eventually(t, "the bridge is linked", func() bool { return br.Stats().Linked })
	return &span{br, stop}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what has to come about.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("it did not come about that %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// ids lists a channel's members.
func ids(t testing.TB, c *plexus.Client, channel string) []string {
	t.Helper()
	list, err := c.Channel(channel).Members(t.Context())
	if status.CodeOf(err) != status.NotFound {
		must(t, err)
	}
	var all []string
	for _, m := range list {
		all = append(all, m.ID)
	}
	slices.Sort(all)
	return all
}

func hasMembers(t testing.TB, c *plexus.Client, channel string, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("channel %s has the members %v, not %v", channel, want, ids(t, c, channel)),
		func() bool { return slices.Equal(ids(t, c, channel), want) })
}

// hasMethod waits for a method to be offered.
func hasMethod(t testing.TB, c *plexus.Client, channel, method string) {
	t.Helper()
	eventually(t, channel+"/"+method+" is offered", func() bool {
		x, err := c.Channel(channel).Explore(t.Context(), method)
		return err == nil && len(x.Methods) == 1
	})
}

// hasTopic waits for a topic to be declared.
func hasTopic(t testing.TB, c *plexus.Client, channel, topic string) {
	t.Helper()
	eventually(t, channel+"/"+topic+" is declared", func() bool {
		x, err := c.Channel(channel).Explore(t.Context(), topic)
		return err == nil && len(x.Topics) == 1
	})
}

// who serves a method that tells who calls.
func who(t testing.TB, c *plexus.Client, channel string) {
	t.Helper()
	whoIn(t, c.Channel(channel))
}

func whoIn(t testing.TB, c *plexus.Channel) {
	t.Helper()
	_, err := plexus.Handle(c, "who", func(ctx context.Context, in string) (string, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		return in + " from " + e.Sender, nil
	})
	must(t, err)
}

func eachHouse(t *testing.T, f func(t *testing.T, west, east *house)) {
	for name, unix := range map[string]bool{"mem": false, "unix": true} {
		t.Run(name, func(t *testing.T) { f(t, newHouse(t, "west", unix), newHouse(t, "east", unix)) })
	}
}

func TestCallsMembersAndEvents(t *testing.T) {
	eachHouse(t, func(t *testing.T, west, east *house) {
		alice, bob := west.member("alice"), east.member("bob")
		who(t, alice, "text")
		got := make(chan string, 10)
		for _, c := range []*plexus.Client{alice} {
			plexus.On(c.Channel("text"), "hello", func(ctx context.Context, v string) {
				e, _ := plexus.EnvelopeOf(ctx)
				got <- v + " from " + e.Sender
			}, nil)
		}
		span := join(t, west, east)
		hasMembers(t, bob, "text", "alice@west")
		hasMethod(t, bob, "text", "who")
		answer, err := plexus.Call[string](t.Context(), bob.Channel("text"), "who", "call")
		must(t, err)
		if answer != "call from bob@east" {
			t.Fatal(answer)
		}
		must(t, plexus.Send(t.Context(), bob.Channel("text").At("alice@west"), "hello", "event"))
		if e := <-got; e != "event from bob@east" {
			t.Fatal(e)
		}
		must(t, plexus.Broadcast(t.Context(), bob.Channel("text"), "hello", "broadcast"))
		if e := <-got; e != "broadcast from bob@east" {
			t.Fatal(e)
		}
		list, err := bob.Channel("text").Members(t.Context())
		must(t, err)
		if m := list[0]; !slices.Equal(m.Path, []string{"west"}) || m.Session == "" {
			t.Fatalf("%+v", m)
		}
		span.stop()
		hasMembers(t, bob, "text")
	})
}

func TestPublications(t *testing.T) {
	eachHouse(t, func(t *testing.T, west, east *house) {
		alice, bob, carl := west.member("alice"), east.member("bob"), east.member("carl")
		_, err := plexus.Declare(alice.Channel("news"), "own")
		must(t, err)
		_, err = plexus.Declare(alice.Channel("news"), "forum", plexus.WithShared())
		must(t, err)
		join(t, west, east)
		hasTopic(t, bob, "news", "own")
		hasTopic(t, bob, "news", "forum")
		sub, err := plexus.Subscribe[int](t.Context(), bob.Channel("news"), ">")
		must(t, err)
		back, err := plexus.Subscribe[int](t.Context(), alice.Channel("news"), ">")
		must(t, err)
		for _, h := range []*house{west, east} { // a watch and a subscription of the link, and ours
			eventually(t, "the bridge listens", func() bool { return h.hub.Status().Subscriptions >= 3 })
		}
		const n = 1000
		for i := range n {
			must(t, plexus.Publish(t.Context(), alice.Channel("news"), "own", i))
		}
		for i := range n {
			p, err := sub.Next(t.Context())
			must(t, err)
			if p.Value != i || p.Sender != "alice@west" {
				t.Fatalf("%d: %+v", i, p)
			}
			_, err = back.Next(t.Context())
			must(t, err)
		}
		if err := plexus.Publish(t.Context(), carl.Channel("news"), "own", 1); status.CodeOf(err) != status.NotOwner {
			t.Fatal(err)
		}
		must(t, plexus.Publish(t.Context(), carl.Channel("news"), "forum", 7))
		for _, s := range []*plexus.Subscription[int]{sub, back} {
			p, err := s.Next(t.Context())
			must(t, err)
			if want := map[bool]string{true: "carl", false: "carl@east"}[s == sub]; p.Value != 7 || p.Sender != want {
				t.Fatalf("%+v", p)
			}
		}
	})
}
