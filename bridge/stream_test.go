// SPDX-License-Identifier: Apache-2.0

package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/bridge"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// All that a provider can see of a call is as if the caller were beside it.
func TestEnvelopeSurvives(t *testing.T) {
	west, east := newHouse(t, "west", true), newHouse(t, "east", true)
	alice, bob := west.member("alice"), east.member("bob")
	_, err := plexus.Handle(alice.Channel("c"), "look", func(ctx context.Context, _ int) (string, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		in, _ := session.FromContext(ctx)
		left := time.Until(e.Deadline)
		return fmt.Sprintln(e.Headers, e.Priority, in.Header.Idempotent(), !e.Time.IsZero(), left > 0 && left <= time.Hour, e.Sender), nil
	})
	must(t, err)
	_, err = plexus.Handle(alice.Channel("c"), "fail", func(context.Context, int) (int, error) {
		return 0, &status.Error{Code: status.DataLoss, Message: "gone", Details: []byte("why"), Retry: status.RetrySafe}
	})
	must(t, err)
	join(t, west, east)
	hasMethod(t, bob, "c", "look")
	hasMethod(t, bob, "c", "fail")
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	got, err := plexus.Call[string](ctx, bob.Channel("c"), "look", 1,
		plexus.WithHeader("k", "v"), plexus.WithPriority(3), plexus.WithIdempotent(), plexus.WithTime())
	must(t, err)
	if want := "[{k v}] 3 true true true bob@east\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	_, err = plexus.Call[int](ctx, bob.Channel("c"), "fail", 1)
	if e := status.Convert(err); e.Code != status.DataLoss || e.Message != "gone" || string(e.Details) != "why" || !e.Retryable() {
		t.Fatalf("%+v", e)
	}
}

// Streams of all shapes, and bytes that are more than any window.
func TestStreams(t *testing.T) {
	eachHouse(t, func(t *testing.T, west, east *house) {
		alice, bob := west.member("alice"), east.member("bob")
		ch := alice.Channel("s")
		_, err := plexus.HandleStream(ch, "count", func(_ context.Context, n int, send func(int) error) error {
			for i := range n {
				if err := send(i); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
		_, err = plexus.HandleUpload(ch, "sum", func(_ context.Context, items iter.Seq2[string, error]) (int, error) {
			sum := 0
			for b, err := range items {
				if err != nil {
					return 0, err
				}
				sum += len(b)
			}
			return sum, nil
		})
		must(t, err)
		_, err = plexus.HandleDuplex(ch, "echo", func(ctx context.Context, d *plexus.Duplex[string, string]) error {
			for v, err := range d.All(ctx) {
				if err != nil {
					return err
				}
				if err := d.Send(ctx, "re: "+v); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
		join(t, west, east)
		for _, m := range []string{"count", "sum", "echo"} {
			hasMethod(t, bob, "s", m)
		}
		ctx := t.Context()
		n := 0
		for i, err := range plexus.Stream[int](ctx, bob.Channel("s"), "count", 5000) {
			must(t, err)
			if i != n {
				t.Fatalf("item %d is %d", n, i)
			}
			n++
		}
		if n != 5000 {
			t.Fatalf("%d items", n)
		}
		up, err := plexus.OpenUpload[string, int](ctx, bob.Channel("s"), "sum")
		must(t, err)
		for range 100 {
			must(t, up.Send(ctx, strings.Repeat("x", 30_000)))
		}
		if sum, err := up.Finish(ctx); err != nil || sum != 3_000_000 {
			t.Fatal(sum, err)
		}
		d, err := plexus.Open[string, string](ctx, bob.Channel("s"), "echo")
		must(t, err)
		defer d.Close()
		for i := range 100 {
			must(t, d.Send(ctx, fmt.Sprint(i)))
			if got, err := d.Recv(ctx); err != nil || got != fmt.Sprint("re: ", i) {
				t.Fatal(got, err)
			}
		}
		must(t, d.CloseSend())
		if _, err := d.Recv(ctx); err != io.EOF {
			t.Fatal(err)
		}
	})
}

// A consumer that takes nothing holds the producer up, at the other end of the bridge; one that
// gives up ends it.
func TestCreditAndCancelEndToEnd(t *testing.T) {
	west, east := newHouse(t, "west", true), newHouse(t, "east", true)
	alice, bob := west.member("alice"), east.member("bob")
	var sent atomic.Int64
	ended := make(chan error, 1)
	_, err := plexus.HandleStream(alice.Channel("s"), "flood", func(ctx context.Context, _ int, send func([]byte) error) error {
		for {
			if err := send(make([]byte, 10_000)); err != nil {
				ended <- err
				return err
			}
			sent.Add(1)
		}
	})
	must(t, err)
	join(t, west, east)
	hasMethod(t, bob, "s", "flood")
	x, err := bob.Channel("s").Method("flood").Open(t.Context(), 1, session.Message{Codec: 1, Payload: []byte("0")})
	must(t, err)
	var last int64
	still := 0
	eventually(t, "the producer waits", func() bool {
		if n := sent.Load(); n > 0 && n == last {
			still++
		} else {
			still, last = 0, n
		}
		return still > 50
	})
	if n := sent.Load() * 10_000; n > 8*session.DefaultStreamWindow {
		t.Fatalf("%d bytes were sent to a consumer that took none", n)
	}
	x.Cancel()
	if err := <-ended; err == nil {
		t.Fatal("the producer was not told")
	}
}

// Only what may go a way goes it.
func TestNarrowed(t *testing.T) {
	west, east := newHouse(t, "west", false), newHouse(t, "east", false)
	alice, bob := west.member("alice"), east.member("bob")
	for _, channel := range []string{"public.a", "private"} {
		who(t, alice, channel)
		who(t, bob, channel+".east")
	}
	joinBy(t, bridge.Config{
		A: bridge.Side{Dial: west.dial, Channels: []string{"public.*"}},
		B: bridge.Side{Dial: east.dial, Channels: []string{}},
	})
	hasMethod(t, bob, "public.a", "who")
	answer, err := plexus.Call[string](t.Context(), bob.Channel("public.a"), "who", "x")
	if err != nil || answer != "x from bob@east" {
		t.Fatal(answer, err)
	}
	for c, channels := range map[*plexus.Client][]string{bob: {"private"}, alice: {"public.a.east", "private.east"}} {
		for _, channel := range channels {
			if _, err := plexus.Call[string](t.Context(), c.Channel(channel), "who", "x"); status.CodeOf(err) != status.NoProvider {
				t.Fatalf("%s: %v", channel, err)
			}
		}
	}
}

// Schemas go along, and a change of them.
func TestSchemas(t *testing.T) {
	west, east := newHouse(t, "west", false), newHouse(t, "east", false)
	alice, bob := west.member("alice"), east.member("bob")
	type point struct{ X, Y int }
	_, err := plexus.Handle(alice.Channel("c"), "swap", func(_ context.Context, p point) (point, error) { return point{p.Y, p.X}, nil })
	must(t, err)
	join(t, west, east)
	hasMethod(t, bob, "c", "swap")
	there, err := bob.Channel("c").Explore(t.Context(), "swap")
	must(t, err)
	here, err := alice.Channel("c").Explore(t.Context(), "swap")
	must(t, err)
	a, b := here.Methods[0], there.Methods[0]
	if string(a.Input) != string(b.Input) || string(a.Output) != string(b.Output) || a.Shape != b.Shape || len(b.Input) == 0 {
		t.Fatalf("%+v became %+v", a, b)
	}
}

// Ways change while everybody talks: nothing comes twice, or out of order.
func TestHealUnderLoad(t *testing.T) {
	c := newCountry(t, 3)
	for i := range 3 {
		c.link(i, (i+1)%3)
	}
	c.settled()
	const n = 3000
	done := make(chan error, 1)
	go func() {
		for k := range n {
			if err := plexus.Publish(context.Background(), c.talk[0].Channel("all"), "t0", fmt.Sprintf("%06d", k)); err != nil {
				done <- err
				return
			}
			if k%10 == 0 {
				<-time.After(time.Millisecond)
			}
		}
		done <- nil
	}()
	for range 4 {
		c.cut(0, 1)
		c.still()
		c.link(0, 1)
		c.still()
	}
	must(t, <-done)
	c.settled()
	must(t, plexus.Publish(t.Context(), c.talk[0].Channel("all"), "t0", "last"))
	for i, sub := range c.subs {
		before, got := "", 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			p, err := sub.Next(ctx)
			cancel()
			must(t, err)
			if p.Value == "last" {
				break
			}
			if p.Value <= before {
				t.Fatalf("h%d got %s after %s", i, p.Value, before)
			}
			before = p.Value
			got++
		}
		t.Logf("h%d got %d of %d", i, got, n)
		if i == 0 && got != n || got == 0 {
			t.Fatalf("h%d got %d of %d", i, got, n)
		}
	}
}

// A hub does not wait for a bridge to take its guests back, and its channels outlive them.
func TestNothingIsLeftOfALink(t *testing.T) {
	h := newHouse(t, "h", false)
	bridges := plexus.DialOptions{}
	bridges.Session.Features = []string{operation.FeatureBridge}
	main, err := h.dial(t.Context(), bridges)
	must(t, err)
	must(t, main.Channel("$").Operate(t.Context(), operation.Link, operation.LinkState{
		Routes: []operation.Reach{{Hub: "west", Path: []string{"west"}, Cost: 1 << 32}},
	}, nil))
	bridges.ID, bridges.Metadata = "alice@west", map[string]string{operation.MetaLink: main.ID()}
	guest, err := h.dial(t.Context(), bridges)
	must(t, err)
	defer guest.Close()
	_, err = guest.Channel("c").Join(t.Context())
	must(t, err)
	bob := h.member("bob")
	_, err = bob.Channel("c").Join(t.Context())
	must(t, err)
	main.Close()
	<-guest.Done()
	hasMembers(t, bob, "c", "bob")
	list, err := bob.Channel("c").Members(t.Context())
	must(t, err)
	if !list[0].Owner {
		t.Fatalf("%+v", list)
	}
}

// Whom the owner of a channel removes does not come back by itself.
func TestKickedAcrossABridge(t *testing.T) {
	var later atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	west, east := newHouse(t, "west", false), newHouseOf(t, hub.Config{ID: "east", Now: clock}, false)
	bob, alice := east.member("bob"), west.member("alice")
	_, err := bob.Channel("c").Join(t.Context())
	must(t, err)
	_, err = alice.Channel("c").Join(t.Context())
	must(t, err)
	span := join(t, west, east)
	hasMembers(t, bob, "c", "alice@west", "bob")
	must(t, bob.Channel("$").Operate(t.Context(), operation.Kick, operation.Eviction{Channel: "c", Member: "alice@west"}, nil))
	who(t, alice, "c")
	eventually(t, "the bridge comes to rest", func() bool { return span.Stats().Pending == 0 })
	hasMembers(t, bob, "c", "bob")
	later.Store(int64(hub.DefaultKickedFor))       // the session of her guest may come back
	must(t, alice.Channel("c").Leave(t.Context())) // and back before the bridge looks
	_, err = alice.Channel("c").Join(t.Context())
	must(t, err)
	hasMembers(t, bob, "c", "alice@west", "bob")
}

// A channel whose schemas are longer than a message may be is carried name by name.
func TestManySchemas(t *testing.T) {
	west, east := newHouse(t, "west", false), newHouse(t, "east", false)
	alice, bob := west.member("alice"), east.member("bob")
	long := json.RawMessage(`{"description":"` + strings.Repeat("x", 30_000) + `"}`)
	for i := range 20 {
		must(t, alice.Channel("$").Operate(t.Context(), operation.Provide,
			operation.Offer{Channel: "c", Method: fmt.Sprint("m", i), Input: long, Output: long}, nil))
	}
	small := func(ctx context.Context, o plexus.DialOptions) (*plexus.Client, error) {
		o.Session.MaxMessage = 500_000
		return west.dial(ctx, o)
	}
	joinBy(t, bridge.Config{A: bridge.Side{Dial: small}, B: bridge.Side{Dial: east.dial}})
	for i := range 20 {
		hasMethod(t, bob, "c", fmt.Sprint("m", i))
	}
	x, err := bob.Channel("c").Explore(t.Context(), "m7")
	must(t, err)
	if string(x.Methods[0].Input) != string(long) {
		t.Fatalf("%.80s", x.Methods[0].Input)
	}
}
