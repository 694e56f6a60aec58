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

// crossing is a method and a topic that are used across a bridge.
type crossing struct {
	t        *testing.T
	alice    *plexus.Client // calls and publishes in the west
	sub      *plexus.Subscription[int]
	n        int   // of the last call and publication
	answered []int // calls

	mu   sync.Mutex
	done map[int]int // how often the handler in the east has done each
}

func newCrossing(t *testing.T, alice, bob *plexus.Client) *crossing {
	t.Helper()
	x := &crossing{t: t, alice: alice, done: make(map[int]int)}
	_, err := plexus.Handle(bob.Channel("all"), "note", func(_ context.Context, n int) (int, error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.done[n]++
		return n, nil
	})
	must(t, err)
	_, err = plexus.Declare(alice.Channel("all"), "news")
	must(t, err)
	hasMethod(t, alice, "all", "note")
	hasTopic(t, bob, "all", "news")
	x.sub, err = plexus.Subscribe[int](t.Context(), bob.Channel("all"), "news")
	must(t, err)
	t.Cleanup(func() { x.sub.Close() })
	eventually(t, "the subscription is known in the west", func() bool {
		must(t, plexus.Publish(t.Context(), alice.Channel("all"), "news", 0))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := x.sub.Next(ctx)
		return err == nil
	})
	return x
}

// call publishes and calls once.
func (x *crossing) call() error {
	x.n++
	must(x.t, plexus.Publish(x.t.Context(), x.alice.Channel("all"), "news", x.n))
	ctx, cancel := context.WithTimeout(x.t.Context(), 20*time.Second)
	defer cancel()
	_, err := plexus.Call[int](ctx, x.alice.Channel("all"), "note", x.n)
	if err == nil {
		x.answered = append(x.answered, x.n)
	}
	return err
}

// check compares what was asked with what was done.
func (x *crossing) check() {
	x.t.Helper()
	x.mu.Lock()
	for _, k := range x.answered {
		if x.done[k] != 1 {
			x.t.Errorf("call %d was answered, and done %d times", k, x.done[k])
		}
	}
	for k, times := range x.done {
		if times > 1 {
			x.t.Errorf("call %d was done %d times", k, times)
		}
	}
	x.mu.Unlock()
	got := 0
	for before := 0; before < x.n; {
		ctx, cancel := context.WithTimeout(x.t.Context(), 20*time.Second)
		p, err := x.sub.Next(ctx)
		cancel()
		must(x.t, err)
		if p.Value == 0 {
			continue
		}
		if p.Value <= before {
			x.t.Fatalf("%d after %d", p.Value, before)
		}
		before = p.Value
		got++
	}
	x.t.Logf("%d of %d publications came, %d calls were answered", got, x.n, len(x.answered))
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
	x := newCrossing(t, member("alice", west(c.A)), member("bob", east(c.B)))
	for range 100 {
		must(t, x.call())
	}
	links := span.Stats().Links
	c.Cut()
	began := time.Now()
	err := x.call()
	if status.CodeOf(err) != status.PeerGone {
		t.Error(err)
	}
	took := time.Since(began)
	t.Logf("told after %v: %v", took.Round(time.Millisecond), err)
	if took > 2*every+2*time.Second {
		t.Error("told late")
	}
	c.Mend()
	mended := time.Now()
	eventually(t, "calls pass again", func() bool { return x.call() == nil })
	t.Logf("calls pass again after %v", time.Since(mended).Round(time.Millisecond))
	for range 100 {
		must(t, x.call())
	}
	if got := span.Stats().Links; got <= links {
		t.Errorf("%d links", got)
	}
	x.check()
}
