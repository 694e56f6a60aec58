// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Streams are counted from their beginning to their end, wait like other calls, and what the
// caller sends meanwhile is kept.
func TestGroupStreams(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		a, b, c := h.join("p", router(streams)), h.join("b", router(streams)), h.join("c", nil)
		for _, p := range []*party{a, b} {
			for name, shape := range map[string]wire.Shape{"count": wire.ServerStream, "sum": wire.ClientStream, "echoes": wire.Duplex, "fails": wire.ServerStream} {
				p.mustOp(operation.Provide, operation.Offer{Channel: "ch", Method: name, Shape: uint8(shape), Sharing: operation.Sharing{Group: "g", Capacity: 1}}, nil)
			}
			if p == a {
				tryStreams(t, c)
			}
		}
		ctx := patience(t)
		open := func() *session.Stream {
			x, err := c.s.Route(method("ch", "echoes")).Open(ctx, wire.Duplex, session.Message{})
			must(t, err)
			return x
		}
		try := func(x *session.Stream) {
			item, err := x.Recv(ctx, nil)
			must(t, err)
			if string(item.Payload) != "hello" {
				t.Fatalf("%q", item.Payload)
			}
		}
		x, y, z, gaveUp := open(), open(), open(), open()
		for _, s := range []*session.Stream{x, y, z} {
			must(t, s.Send(ctx, session.Message{Payload: []byte("hello")}))
		}
		try(x)
		try(y)
		if got := c.explore("echoes"); got.Active != 2 || got.Waiting != 2 {
			t.Fatalf("%+v", got)
		}
		gaveUp.Cancel()
		must(t, c.s.Ping(ctx))
		if got := c.explore("echoes"); got.Active != 2 || got.Waiting != 1 {
			t.Fatalf("%+v", got)
		}
		must(t, x.CloseSend())
		try(z) // in its place
		y.Cancel()
		must(t, z.CloseSend())
		for _, s := range []*session.Stream{x, z} {
			for {
				if _, err := s.Recv(ctx, nil); err != nil {
					break
				}
			}
		}
		last := open() // y's end has come when this one runs
		must(t, last.Send(ctx, session.Message{Payload: []byte("hello")}))
		try(last)
		last2 := open()
		must(t, last2.Send(ctx, session.Message{Payload: []byte("hello")}))
		try(last2)
	})
}

// The same key goes to the same worker, whoever calls; when one leaves only its keys move.
func TestSticky(t *testing.T) {
	h := newHouse(t, hub.Config{})
	s := operation.Sharing{Group: "g", Balance: operation.Sticky}
	w := h.workers(5, s, nil)
	c, d := h.join("", nil), h.join("", nil)
	ask := func(p *party, k int) string {
		m := session.Message{Headers: []wire.Pair{{Key: "other", Value: "x"}, {Key: operation.HeaderKey, Value: fmt.Sprint(k)}}}
		rep, err := p.s.Route(method("ch", "job")).Call(t.Context(), m, nil)
		must(t, err)
		return string(rep.Payload)
	}
	const keys = 200
	home, counts := make([]string, keys), map[string]int{}
	for k := range keys {
		home[k] = ask(c, k)
		counts[home[k]]++
		if got := ask(d, k); got != home[k] {
			t.Fatalf("key %d at %s and %s", k, home[k], got)
		}
	}
	if len(counts) != 5 {
		t.Fatal(counts)
	}
	w[2].mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "job"}, nil)
	for k := range keys {
		if got := ask(c, k); got == "w2" || home[k] != "w2" && got != home[k] {
			t.Fatalf("key %d moved from %s to %s", k, home[k], got)
		}
	}
	w[2].share("job", s)
	for k := range keys {
		if got := ask(c, k); got != home[k] {
			t.Fatalf("key %d is at %s, not back at %s", k, got, home[k])
		}
	}
}

// A call to everybody is answered with a list: values, bytes and errors.
func TestAll(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		h.workers(4, operation.Sharing{Group: "g", Balance: operation.All}, func(i int) func(c *session.Call) {
			return func(c *session.Call) {
				switch i {
				case 0:
					c.Reply(session.Message{Codec: json1, Payload: []byte(`{"a": 1}`)})
				case 1:
					c.Reply(session.Message{Codec: 7, Payload: c.Payload})
				case 2:
					c.Fail(status.Errorf(status.Failed, "not today"))
				case 3:
					_ = c.Session().CloseWith(status.Errorf(status.Closed, "bye"))
				}
			}
		})
		c := h.join("", nil)
		rep, err := c.s.Route(method("ch", "job")).Call(patience(t), session.Message{Payload: []byte("x")}, nil)
		must(t, err)
		var got []operation.Answer
		must(t, json.Unmarshal(rep.Payload, &got))
		if len(got) != 4 || string(got[0].Value) != `{"a":1}` || got[1].Codec != 7 || string(got[1].Data) != "x" || got[2].Error.Code != "failed" ||
			got[2].Error.Message != "not today" || got[3].Error == nil || got[3].Error.Code != "peer_gone" || got[3].Member != "w3" || rep.Codec != json1 {
			t.Fatalf("%s", rep.Payload)
		}
		x, err := c.s.Route(method("ch", "job")).Open(patience(t), wire.ServerStream, session.Message{})
		must(t, err)
		_, err = x.Recv(patience(t), nil)
		wantCode(t, err, status.WrongShape)
	})
}

// Who gives up a call to everybody gives it up at everybody.
func TestAllIsCancelled(t *testing.T) {
	h := newHouse(t, hub.Config{})
	running := make(chan struct{}, 3)
	h.workers(3, operation.Sharing{Group: "g", Balance: operation.All}, func(int) func(c *session.Call) { return block(running) })
	ctx, cancel := context.WithCancel(t.Context())
	c := h.join("", nil)
	p := c.s.Route(method("ch", "job")).Go(ctx, session.Message{})
	for range 3 {
		<-running
	}
	if x := c.explore("job"); x.Active != 3 {
		t.Fatalf("%+v", x)
	}
	p.Cancel()
	_, err := p.Wait(patience(t))
	wantCode(t, err, status.Cancelled)
	cancel()
}

// Events of one sender go to one member of a group, in order, as long as it is there.
func TestEventsToGroup(t *testing.T) {
	h := newHouse(t, hub.Config{})
	got := make(chan arrival, 1000)
	for i := range 3 {
		id := fmt.Sprint("w", i)
		mine := make(chan arrival, 1000)
		p := h.join(id, &session.Config{Router: serve{got: mine}})
		p.share("job", operation.Sharing{Group: "g"})
		go func() { // ends with the test
			for {
				select {
				case a := <-mine:
					a.channel = id
					got <- a
				case <-p.s.Done():
					return
				}
			}
		}()
	}
	c := h.join("", nil)
	r := c.s.Route(wire.Bind{Class: wire.ClassEvent, Channel: "ch", Name: "job"})
	for i := range 100 {
		must(t, r.Emit(t.Context(), session.Message{Payload: fmt.Append(nil, i)}))
	}
	first := <-got
	for i := 1; i < 100; i++ {
		if a := <-got; a.channel != first.channel || a.payload != fmt.Sprint(i) {
			t.Fatalf("%+v after %+v", a, first)
		}
	}
}

// A call that is directed to a member goes there, and is counted.
func TestDirectedCallInGroup(t *testing.T) {
	h := newHouse(t, hub.Config{})
	running := make(chan struct{}, 1)
	h.workers(2, operation.Sharing{Group: "g", Capacity: 1}, func(i int) func(c *session.Call) {
		if i == 0 {
			return block(running)
		}
		return named("w1")
	})
	c := h.join("", nil)
	p := c.s.Route(wire.Bind{Class: wire.ClassMethod, Channel: "ch", Name: "job", Target: "w0"}).Go(t.Context(), session.Message{})
	<-running
	for range 3 {
		who, err := c.call("ch", "job", "")
		must(t, err)
		if who != "w1" {
			t.Fatal(who)
		}
	}
	p.Cancel()
	_, err := p.Wait(patience(t))
	wantCode(t, err, status.Cancelled)
}

// A call to a group allocates nothing, whatever the policy.
func TestNoAllocationPerGroupCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, policy := range []string{operation.LeastActive, operation.RoundRobin, operation.TwoChoices, operation.Sticky} {
		t.Run(strings.ReplaceAll(policy, "_", " "), func(t *testing.T) {
			h := newHouse(t, hub.Config{})
			h.pipe = unixPipe(t)
			h.workers(3, operation.Sharing{Group: "g", Balance: policy, Capacity: 5}, func(int) func(c *session.Call) { return echo })
			r := h.join("c", nil).s.Route(method("ch", "job"))
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
				t.Fatalf("%v allocations", n)
			}
		})
	}
}
