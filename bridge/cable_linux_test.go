// SPDX-License-Identifier: Apache-2.0

package bridge_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/bridge"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/cable"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// machine is TCP as it is on one of the machines of a cable.
type machine struct {
	*socket.Transport
	host *cable.Host
}

func on(h *cable.Host) machine { return machine{socket.TCP(), h} }

func (m machine) Dial(ctx context.Context, ep endpoint.Endpoint, o *transport.Options) (c transport.Conn, err error) {
	m.host.Do(func() { c, err = m.Transport.Dial(ctx, ep, o) })
	return c, err
}

func (m machine) Listen(ctx context.Context, ep endpoint.Endpoint, o *transport.Options) (l transport.Listener, err error) {
	m.host.Do(func() { l, err = m.Transport.Listen(ctx, ep, o) })
	return l, err
}

// newTown is a hub on a machine of a cable, and how to reach it from a machine.
func newTown(t *testing.T, id string, h *cable.Host, every time.Duration) func(from *cable.Host) func(context.Context, plexus.DialOptions) (*plexus.Client, error) {
	t.Helper()
	house := &house{t: t, hub: hub.New(hub.Config{ID: id, Bridges: anybody})}
	set := transport.NewSet(on(h))
	var err error
	house.srv, err = plexus.NewServer(&plexus.ListenOptions{ID: id, Hub: house.hub, Transports: &set, Session: session.Config{Heartbeat: every}})
	must(t, err)
	must(t, house.srv.Bind(t.Context(), fmt.Sprintf("tcp://%s:0", h.Address)))
	t.Cleanup(func() {
		house.hub.Close()
		house.srv.Close()
	})
	address := house.srv.Endpoints()[0]
	return func(from *cable.Host) func(context.Context, plexus.DialOptions) (*plexus.Client, error) {
		set := transport.NewSet(on(from))
		return bridge.To(address, plexus.DialOptions{Transports: &set, Session: session.Config{Heartbeat: every}})
	}
}

// A bridge over a cable that is cut finds out within two heartbeats, tells who waits, and goes
// on when the cable is mended: what was answered was done, once, and what was published comes
// in order and never twice.
func TestCableIsCut(t *testing.T) {
	const every = 400 * time.Millisecond
	c := cable.New(t)
	west, east := newTown(t, "west", c.A, every), newTown(t, "east", c.B, every)
	span := joinBy(t, bridge.Config{A: bridge.Side{Dial: west(c.A)}, B: bridge.Side{Dial: east(c.A)}, Heartbeat: every})
	member := func(id string, dial func(context.Context, plexus.DialOptions) (*plexus.Client, error)) *plexus.Client {
		m, err := dial(t.Context(), plexus.DialOptions{ID: id})
		must(t, err)
		t.Cleanup(func() { m.Close() })
		return m
	}
	alice, bob := member("alice", west(c.A)), member("bob", east(c.B))

	var mu sync.Mutex
	done := make(map[int]int)
	_, err := plexus.Handle(bob.Channel("all"), "note", func(_ context.Context, n int) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		done[n]++
		return n, nil
	})
	must(t, err)
	_, err = plexus.Declare(alice.Channel("all"), "news")
	must(t, err)
	hasMethod(t, alice, "all", "note")
	hasTopic(t, bob, "all", "news")
	sub, err := plexus.Subscribe[int](t.Context(), bob.Channel("all"), "news")
	must(t, err)
	defer sub.Close()
	eventually(t, "the subscription is known in the west", func() bool {
		must(t, plexus.Publish(t.Context(), alice.Channel("all"), "news", -1))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := sub.Next(ctx)
		return err == nil
	})

	var answered []int
	n := 0
	call := func() error {
		n++
		must(t, plexus.Publish(t.Context(), alice.Channel("all"), "news", n))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := plexus.Call[int](ctx, alice.Channel("all"), "note", n)
		if err == nil {
			answered = append(answered, n)
		}
		return err
	}
	for range 100 {
		must(t, call())
	}
	links := span.Stats().Links
	c.Cut()
	began := time.Now()
	err = call()
	if status.CodeOf(err) != status.PeerGone {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*every+2*time.Second {
		t.Errorf("told after %v", took)
	} else {
		t.Logf("told after %v: %v", took.Round(time.Millisecond), err)
	}
	c.Mend()
	mended := time.Now()
	eventually(t, "calls pass again", func() bool { return call() == nil })
	t.Logf("calls pass again after %v", time.Since(mended).Round(time.Millisecond))
	for range 100 {
		must(t, call())
	}
	if got := span.Stats().Links; got <= links {
		t.Errorf("%d links", got)
	}
	mu.Lock()
	for _, k := range answered {
		if done[k] != 1 {
			t.Errorf("call %d was answered, and done %d times", k, done[k])
		}
	}
	for k, times := range done {
		if times > 1 {
			t.Errorf("call %d was done %d times", k, times)
		}
	}
	mu.Unlock()
	got := 0
	for before := 0; before < n; {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		p, err := sub.Next(ctx)
		cancel()
		must(t, err)
		if p.Value == -1 {
			continue
		}
		if p.Value <= before {
			t.Fatalf("%d after %d", p.Value, before)
		}
		before = p.Value
		got++
	}
	t.Logf("%d of %d publications came", got, n)
}
