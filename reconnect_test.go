// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// states collects what a Client tells of its connection.
type states struct {
	mu   sync.Mutex
	all  []client.State
	news chan client.State
}

func (s *states) options() *plexus.DialOptions {
	s.news = make(chan client.State, 1000)
	return &plexus.DialOptions{Reconnect: &client.Reconnect{MaxDelay: 50 * time.Millisecond, OnState: func(st client.State) {
		s.mu.Lock()
		s.all = append(s.all, st)
		s.mu.Unlock()
		s.news <- st
	}}}
}

// await returns the next State of a phase.
func (s *states) await(t *testing.T, p client.Phase) client.State {
	t.Helper()
	for {
		select {
		case st := <-s.news:
			if st.Phase == p {
				return st
			}
		case <-t.Context().Done():
			t.Fatalf("never %v: %v", p, s.all)
		}
	}
}

func (s *states) phases() (all []client.Phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.all {
		if st.Phase != client.Retrying || !slices.Contains(all, client.Retrying) {
			all = append(all, st.Phase)
		}
	}
	return all
}

// newHub serves a new hub at an address.
func newHub(t *testing.T, address string) *plexus.Server {
	t.Helper()
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	must(t, err)
	t.Cleanup(func() { srv.Close() })
	return srv
}

// A client that reconnects is, after its hub was replaced by a new one, what it was before:
// same id, same memberships, methods, topics and subscriptions.
func TestReconnectRestores(t *testing.T) {
	for _, scheme := range []string{"unix", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			address := path(t)
			if scheme == "tcp" {
				address = "tcp://127.0.0.1:0"
			}
			srv := newHub(t, address)
			address = srv.Endpoints()[0]
			var told states
			c, err := plexus.Dial(t.Context(), address, told.options())
			must(t, err)
			defer c.Close()
			id, room := c.ID(), c.Channel("room")
			_, err = room.Join(t.Context())
			must(t, err)
			_, err = plexus.Handle(room, "add", add)
			must(t, err)
			gone, err := plexus.Handle(room, "gone", add)
			must(t, err)
			must(t, gone.Close(t.Context()))
			_, err = plexus.Declare(room, "news")
			must(t, err)
			sub, err := plexus.Subscribe[string](t.Context(), room, "news")
			must(t, err)
			must(t, plexus.Publish(t.Context(), room, "news", "one"))
			p, err := sub.Next(t.Context())
			must(t, err)
			if p.Resumed || p.Value != "one" {
				t.Fatal(p)
			}

			srv.Close()
			told.await(t, client.Retrying)
			newHub(t, address)
			told.await(t, client.Connected)
			if c.ID() != id {
				t.Errorf("id %q, was %q", c.ID(), id)
			}
			other, err := plexus.Dial(t.Context(), address, nil)
			must(t, err)
			defer other.Close()
			sum, err := plexus.Call[Sum](t.Context(), other.Channel("room"), "add", Add{1, 2})
			must(t, err)
			if sum.Sum != 3 {
				t.Error(sum)
			}
			_, err = plexus.Call[Sum](t.Context(), other.Channel("room"), "gone", Add{1, 2})
			if !errors.Is(err, status.NoProvider) {
				t.Error("a withdrawn method:", err)
			}
			must(t, plexus.Publish(t.Context(), room, "news", "two"))
			p, err = sub.Next(t.Context())
			must(t, err)
			if !p.Resumed || p.Value != "two" || p.Sender != id {
				t.Error(p)
			}
			members, err := room.Members(t.Context())
			must(t, err)
			if len(members) != 1 || members[0].ID != id {
				t.Error(members)
			}
			must(t, sub.Close())
			must(t, c.Close())
			if want := []client.Phase{client.Connected, client.Disconnected, client.Retrying, client.Connected, client.Ended}; !slices.Equal(told.phases(), want) {
				t.Error(told.phases())
			}
		})
	}
}

// What another member has taken meanwhile is lost, and told.
func TestReconnectTellsWhatIsLost(t *testing.T) {
	address := path(t)
	srv := newHub(t, address)
	var told states
	c, err := plexus.Dial(t.Context(), address, told.options())
	must(t, err)
	defer c.Close()
	_, err = plexus.Handle(c.Channel("room"), "add", add)
	must(t, err)
	srv.Close()
	told.await(t, client.Disconnected)
	srv, err = plexus.NewServer(&plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	must(t, err)
	defer srv.Close()
	rival, err := plexus.Join(t.Context(), srv, nil)
	must(t, err)
	defer rival.Close()
	_, err = plexus.Handle(rival.Channel("room"), "add", add)
	must(t, err)
	must(t, srv.Bind(t.Context(), address))
	lost := told.await(t, client.Lost)
	if lost.What != "method room/add" || !errors.Is(lost.Err, status.AlreadyExists) {
		t.Error(lost)
	}
	told.await(t, client.Connected)
}

// A call that was under way when the connection was lost fails, unless it is idempotent: then
// it is made once more. What is begun meanwhile waits.
func TestReconnectRepeatsIdempotentCalls(t *testing.T) {
	address := path(t)
	began := make(chan int, 10)
	serve := func() *plexus.Server {
		srv, err := plexus.Listen(address, nil)
		must(t, err)
		t.Cleanup(func() { srv.Close() })
		_, err = plexus.Handle(srv, "once", func(ctx context.Context, n int) (int, error) {
			if began <- n; n > 0 {
				<-ctx.Done()
			}
			return n, ctx.Err()
		})
		must(t, err)
		return srv
	}
	srv := serve()
	var told states
	c, err := plexus.Dial(t.Context(), address, told.options())
	must(t, err)
	defer c.Close()
	results := make(chan error, 2)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, err := plexus.Call[int](ctx, c, "once", 1); results <- err }()
	<-began
	go func() { _, err := plexus.Call[int](ctx, c, "once", 2, plexus.WithIdempotent()); results <- err }()
	<-began
	srv.Close()
	if err := <-results; !errors.Is(err, status.PeerGone) || status.Retryable(err) {
		t.Error("a call under way:", err)
	}
	waits := make(chan error, 1)
	told.await(t, client.Retrying)
	go func() { _, err := plexus.Call[int](t.Context(), c, "once", 0); waits <- err }()
	serve()
	must(t, <-waits)
	for range 2 {
		if n := <-began; n == 1 {
			t.Error("the call that is not idempotent was repeated")
		}
	}
	cancel()
	if err := <-results; !errors.Is(err, status.Cancelled) {
		t.Error("the repeated call:", err)
	}
}

// Who waits for a connection that does not come back is told so; a Client that gives up, or
// is closed, ends for good, and everything with it.
func TestReconnectGivesUp(t *testing.T) {
	address := path(t)
	srv, err := plexus.Listen(address, nil)
	must(t, err)
	_, err = plexus.Declare(srv, "news")
	must(t, err)
	var told states
	o := told.options()
	o.Reconnect.Patience = time.Millisecond
	c, err := plexus.Dial(t.Context(), address, o)
	must(t, err)
	defer c.Close()
	few := *o
	few.Reconnect = &client.Reconnect{Attempts: 2, MaxDelay: time.Millisecond}
	d, err := plexus.Dial(t.Context(), address, &few)
	must(t, err)
	defer d.Close()
	var subs []*plexus.Subscription[string]
	for _, c := range []*plexus.Client{c, d} {
		sub, err := plexus.Subscribe[string](t.Context(), c, "news")
		must(t, err)
		subs = append(subs, sub)
	}
	srv.Close()
	told.await(t, client.Retrying)
	if _, err := plexus.Call[int](t.Context(), c, "x", 1); !errors.Is(err, status.Unavailable) || !status.Retryable(err) {
		t.Error("without patience:", err)
	}
	<-d.Done()
	if _, err := subs[1].Next(t.Context()); !errors.Is(err, status.Unavailable) || !errors.Is(d.Err(), status.Unavailable) {
		t.Error("a client that gave up:", err, d.Err())
	}
	if _, err := plexus.Call[int](t.Context(), d, "x", 1); !errors.Is(err, status.Unavailable) {
		t.Error("a call on it:", err)
	}
	ended := make(chan error)
	go func() { _, err := subs[0].Next(t.Context()); ended <- err }()
	must(t, c.Close())
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error("the subscription of a closed client:", err)
	}
	<-c.Done()
	told.await(t, client.Ended)
	if _, err := plexus.Call[int](t.Context(), c, "x", 1); !errors.Is(err, net.ErrClosed) {
		t.Error("a call on a closed client:", err)
	}
}

// A service is restored whole: its methods, topics and listeners.
func TestReconnectRestoresServices(t *testing.T) {
	address := path(t)
	srv := newHub(t, address)
	var told states
	c, err := plexus.Dial(t.Context(), address, told.options())
	must(t, err)
	defer c.Close()
	heard := make(chan string, 1)
	svc := service.New()
	_, err = plexus.Handle(svc, "add", add)
	must(t, err)
	_, err = plexus.Declare(svc, "news", plexus.WithShared())
	must(t, err)
	plexus.On(svc, "shout", func(_ context.Context, s string) { heard <- s })
	_, err = svc.Attach(t.Context(), c.Channel("room"))
	must(t, err)
	srv.Close()
	told.await(t, client.Retrying)
	newHub(t, address)
	told.await(t, client.Connected)
	other, err := plexus.Dial(t.Context(), address, nil)
	must(t, err)
	defer other.Close()
	room := other.Channel("room")
	sum, err := plexus.Call[Sum](t.Context(), room, "add", Add{1, 2})
	must(t, err)
	if sum.Sum != 3 {
		t.Error(sum)
	}
	must(t, plexus.Publish(t.Context(), room, "news", "x"))
	must(t, plexus.Broadcast(t.Context(), room, "shout", "here"))
	if s := <-heard; s != "here" {
		t.Error(s)
	}
}

// A channel with a password is opened again, by the handle that knows it.
func TestReconnectOpensLockedChannels(t *testing.T) {
	address := path(t)
	srv := newHub(t, address)
	var told states
	c, err := plexus.Dial(t.Context(), address, told.options())
	must(t, err)
	defer c.Close()
	safe := c.Channel("safe").WithPassword("open sesame")
	_, err = plexus.Handle(safe, "add", add)
	must(t, err)
	sub, err := plexus.Subscribe[string](t.Context(), safe, ">")
	must(t, err)
	_, err = plexus.Declare(safe, "news")
	must(t, err)
	srv.Close()
	told.await(t, client.Retrying)
	newHub(t, address)
	told.await(t, client.Connected)
	other, err := plexus.Dial(t.Context(), address, nil)
	must(t, err)
	defer other.Close()
	if _, err := plexus.Call[Sum](t.Context(), other.Channel("safe"), "add", Add{1, 2}); !errors.Is(err, status.Locked) {
		t.Error("without the password:", err)
	}
	_, err = plexus.Call[Sum](t.Context(), other.Channel("safe").WithPassword("open sesame"), "add", Add{1, 2})
	must(t, err)
	must(t, plexus.Publish(t.Context(), safe, "news", "x"))
	if p, err := sub.Next(t.Context()); err != nil || p.Value != "x" || !p.Resumed {
		t.Error(p, err)
	}
}
