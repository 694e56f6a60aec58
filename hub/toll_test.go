// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// stopped is a clock that a test moves.
type stopped struct{ at atomic.Int64 }

func (s *stopped) now() time.Time        { return time.Unix(1000, s.at.Load()) }
func (s *stopped) pass(d time.Duration)  { s.at.Add(int64(d)) }
func ruled(rate int) []quota.ChannelRate { return []quota.ChannelRate{{Pattern: "fast.>", Rate: rate}} }
func events(channel, name string) wire.Bind {
	return wire.Bind{Class: wire.ClassEvent, Channel: channel, Name: name}
}

// wantRate checks that an error says which rate was exceeded, whose, and when to try again.
func wantRate(t *testing.T, what string, err error, scope, of string, bound int, wait time.Duration) {
	t.Helper()
	wantCode(t, err, status.LimitExceeded)
	want := operation.Limit{Name: "rate", Scope: scope, Of: of, Usage: bound, Bound: bound, RetryAfter: wait.Seconds()}
	if l, ok := service.LimitOf(err); !ok || l != want || service.RetryAfter(err) != wait || !status.Retryable(err) {
		t.Errorf("%s: %v, %+v", what, err, l)
	}
}

// A channel takes so many messages a second, of whatever kind and of all its members together.
// What is too much is refused or dropped, counted, and told with when to try again; other
// channels are not held up.
func TestRateOfAChannel(t *testing.T) {
	var clock stopped
	h := newHouse(t, hub.Config{ChannelRates: ruled(10), Now: clock.now})
	p := h.join("p", echoing)
	for _, ch := range []string{"fast.a", "fast.b", "slow"} {
		p.provide(ch, "echo")
	}
	a, b := h.join("a", nil), h.join("b", nil)
	for i := range 10 {
		from := []*party{a, b}[i%2]
		_, err := from.call("fast.a", "echo", "x")
		must(t, err)
	}
	for range 20 {
		_, err := a.call("slow", "echo", "x")
		must(t, err)
	}
	for _, from := range []*party{a, b} {
		_, err := from.call("fast.a", "echo", "x")
		wantRate(t, "a call", err, "channel", "fast.a", 10, 100*time.Millisecond)
	}
	_, err := a.call("fast.b", "echo", "x")
	must(t, err)

	r := a.declare("fast.a", "t", false)
	_, err = a.acknowledged(r, numbered(0, 0))
	wantRate(t, "an acknowledged publication", err, "channel", "fast.a", 10, 100*time.Millisecond)
	b.joinChannel("fast.a")
	for kind, r := range map[string]*session.Route{
		"publication": r,
		"event":       a.s.Route(events("fast.a", "echo")),
		"broadcast":   a.s.Route(wire.Bind{Class: wire.ClassBroadcast, Channel: "fast.a", Name: "x"}),
	} {
		must(t, a.emit(r, "x")) // is dropped
		must(t, a.s.Ping(t.Context()))
		wantRate(t, kind, a.emit(r, "x"), "channel", "fast.a", 10, 100*time.Millisecond)
	}
	if d := h.h.Status().Dropped; d["too_fast"] != 2 || d["event_too_fast"] != 2 {
		t.Errorf("%v", d)
	}
	clock.pass(100 * time.Millisecond)
	_, err = b.call("fast.a", "echo", "x")
	must(t, err)
	_, err = a.call("fast.a", "echo", "x")
	wantRate(t, "the next", err, "channel", "fast.a", 10, 100*time.Millisecond)
	balance(t, h)
}

// Publications that come together are bounded one by one.
func TestRateOfPublications(t *testing.T) {
	var clock stopped
	h := newHouse(t, hub.Config{ChannelRates: ruled(100), Now: clock.now})
	sub, p := h.join("sub", nil), h.join("p", nil)
	r := p.declare("fast.a", "t", false)
	x := sub.subscribe("fast.a", "t")
	for i := range 1000 {
		if p.emit(r, fmt.Sprint(i)) != nil { // it was told; the route is bound again
			r = p.s.Route(r.Bind())
		}
	}
	must(t, p.s.Ping(t.Context()))
	st := h.h.Stats()
	if st.Publications.Delivered != 100 || st.Publications.Dropped["too_fast"] == 0 {
		t.Fatalf("%+v", st.Publications)
	}
	for i := range 100 {
		item, err := x.Recv(patience(t), nil)
		must(t, err)
		if string(item.Payload) != fmt.Sprint(i) {
			t.Fatalf("%d is %s", i, item.Payload)
		}
	}
}

// A group of providers, a target and a stream are bounded like a single provider.
func TestRateOfEveryCall(t *testing.T) {
	var clock stopped
	h := newHouse(t, hub.Config{ChannelRates: ruled(1), Now: clock.now})
	a := h.join("a", nil)
	for i, group := range []string{"", "g"} {
		ch := fmt.Sprint("fast.", i)
		p := h.join(fmt.Sprint("p", i), echoing)
		p.mustOp(operation.Provide, operation.Offer{Channel: ch, Method: "echo", Sharing: operation.Sharing{Group: group}}, nil)
		for _, target := range []string{"", fmt.Sprint("p", i)} {
			clock.pass(time.Second)
			b := method(ch, "echo")
			b.Target = target
			route := a.s.Route(b)
			_, err := route.Call(patience(t), session.Message{}, nil)
			must(t, err)
			_, err = route.Call(patience(t), session.Message{}, nil)
			wantRate(t, fmt.Sprintf("group %q, target %q", group, target), err, "channel", ch, 1, time.Second)
		}
	}
}

// The sessions of one user have a rate together, also if all of them go for a moment; and so
// has a channel.
func TestRateIsKeptWhileAway(t *testing.T) {
	var clock stopped
	h := newHouse(t, hub.Config{PerUser: quota.Bounds{Rate: 4}, Now: clock.now})
	p := h.join("p", echoing)
	p.provide("ch", "echo")
	a := h.join("a", nil)
	for range 4 {
		_, err := a.call("ch", "echo", "x")
		must(t, err)
	}
	for _, s := range []*party{a, p} {
		s.s.Close()
		s.hubs.Wait()
	}
	p = h.join("p", echoing)
	p.provide("ch", "echo")
	b := h.join("b", nil)
	_, err := b.call("ch", "echo", "x")
	wantRate(t, "a user", err, "user", "anonymous", 4, 250*time.Millisecond)

	h = newHouse(t, hub.Config{ChannelRates: ruled(2), Now: clock.now})
	a = h.join("a", nil)
	for i := range 3 {
		p := h.join("p", echoing)
		p.provide("fast.x", "echo")
		_, err := a.call("fast.x", "echo", "x")
		if i < 2 {
			must(t, err)
		} else {
			wantRate(t, "a channel", err, "channel", "fast.x", 2, 500*time.Millisecond)
		}
		p.s.Close()
		p.hubs.Wait()
	}
	clock.pass(time.Hour)
	p = h.join("p", echoing)
	p.provide("fast.x", "echo")
	_, err = a.call("fast.x", "echo", "x")
	must(t, err)
}

// Many members at once are let pass as often as one would be.
func TestRateTogether(t *testing.T) {
	var clock stopped
	const rate, members = 500, 8
	h := newHouse(t, hub.Config{ChannelRates: ruled(rate), Now: clock.now})
	p := h.join("p", echoing)
	p.provide("fast.x", "echo")
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range members {
		m := h.join(fmt.Sprint("m", i), nil)
		wg.Go(func() {
			for range rate {
				if _, err := m.call("fast.x", "echo", "x"); err == nil {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != rate {
		t.Fatalf("%d calls passed of %d", n, rate)
	}
}

// A rate that is no rate is an error of the program.
func TestRatesAreChecked(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	hub.New(hub.Config{ChannelRates: []quota.ChannelRate{{Pattern: "a..b", Rate: 1}}})
}

// A call that is bounded by its member, its user and its channel allocates nothing, either.
func TestNoAllocationPerBoundedCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := newHouse(t, hub.Config{ChannelRates: ruled(1e9), MaxRatePerMember: 1e9, PerUser: quota.Bounds{Rate: 1e9}})
	h.pipe = unixPipe(t)
	h.join("p", echoing).provide("fast.x", "echo")
	r := h.join("c", nil).s.Route(method("fast.x", "echo"))
	payload, buf := make([]byte, 64), make([]byte, 0, 64)
	call := func() {
		if _, err := r.Call(t.Context(), session.Message{Payload: payload}, buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		call()
	}
	if n := testing.AllocsPerRun(2000, call); n >= 1 {
		t.Fatalf("%v allocations per call", n)
	}
}
