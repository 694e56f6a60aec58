// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// router makes a Config with handlers by name.
func router(calls map[string]func(*session.Call)) *session.Config {
	return &session.Config{Router: serve{calls: calls}}
}

func TestNobodyProvides(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("", nil)
	_, err := p.call("math", "add", "")
	wantCode(t, err, status.NoProvider)
	if !strings.Contains(err.Error(), "math/add") || !status.Retryable(err) {
		t.Fatal(err)
	}
}

func TestProviderIsExclusive(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		a, b, c := h.join("a", echoing), h.join("b", echoing), h.join("c", nil)
		a.provide("ch", "echo")
		a.provide("ch", "echo")
		offer := operation.Offer{Channel: "ch", Method: "echo"}
		wantCode(t, b.op(operation.Provide, offer, nil), status.AlreadyExists)
		wantCode(t, b.op(operation.Withdraw, offer, nil), status.NotFound)
		var list operation.MemberList
		c.mustOp(operation.Members, operation.Place{Channel: "ch"}, &list)
		if len(list.Members) != 1 { // a refused provider has not joined
			t.Fatalf("%+v", list)
		}
		if _, err := c.call("ch", "echo", "x"); err != nil {
			t.Fatal(err)
		}
		a.mustOp(operation.Withdraw, offer, nil)
		_, err := c.call("ch", "echo", "x")
		wantCode(t, err, status.NoProvider)
		b.provide("ch", "echo")
		_, err = c.call("ch", "echo", "x")
		must(t, err)
	})
}

// Everything of a message but its source is what the caller made it.
func TestEnvelopeTravelsUnchanged(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		seen := make(chan session.Incoming, 1)
		p := h.join("p", router(map[string]func(*session.Call){"m": func(c *session.Call) {
			in, _ := session.FromContext(c.Context())
			seen <- *in
			c.Reply(session.Message{Codec: 77, Payload: []byte("answer")})
		}}))
		p.provide("ch", "m")
		c := h.join("caller", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		rep, err := c.s.Route(method("ch", "m")).Call(ctx, session.Message{
			Codec: 66, Payload: []byte("ask"), Headers: []wire.Pair{{Key: "k", Value: "v"}}, Time: 12345, Priority: 5, Idempotent: true, Source: 999,
		}, nil)
		must(t, err)
		if rep.Codec != 77 || string(rep.Payload) != "answer" {
			t.Fatalf("%+v", rep)
		}
		in := <-seen
		hd := in.Header
		left := time.Duration(hd.Deadline) * time.Microsecond
		if hd.Codec != 66 || hd.Priority() != 5 || !hd.Idempotent() || left > time.Minute || left < 50*time.Second {
			t.Fatalf("%+v", hd)
		}
		if p := session.Headers(in.Ext); len(p) != 1 || p[0] != (wire.Pair{Key: "k", Value: "v"}) || session.Timestamp(in.Ext).UnixNano() != 12345 {
			t.Fatalf("headers %v", p)
		}
		if in.Sender() != "caller" {
			t.Fatalf("sent by %q", in.Sender())
		}
	})
}

// A member calls its own method, and A calls B, which calls A, which calls B …
func TestNesting(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		nest := func(to string) func(c *session.Call) {
			return func(c *session.Call) {
				if c.Payload[0] == 0 {
					echo(c)
					return
				}
				rep, err := c.Session().Route(method("ch", to)).Call(c.Context(), session.Message{Payload: []byte{c.Payload[0] - 1}}, nil)
				if err != nil {
					c.Fail(err)
					return
				}
				c.Reply(session.Message{Payload: []byte{rep.Payload[0] + 1}})
			}
		}
		a := h.join("a", router(map[string]func(*session.Call){"a": nest("b"), "self": nest("self")}))
		b := h.join("b", router(map[string]func(*session.Call){"b": nest("a")}))
		a.provide("ch", "a", "self")
		b.provide("ch", "b")
		for _, name := range []string{"a", "self", "b"} {
			got, err := a.call("ch", name, "\x10")
			must(t, err)
			if got != "\x10" {
				t.Fatalf("%s: depth %d", name, got[0])
			}
		}
	})
}

func TestManyCallers(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		h.join("p", echoing).provide("ch", "echo")
		for _, size := range []int{0, 64, 70 << 10} {
			var wg sync.WaitGroup
			for range 4 {
				p := h.join("", nil)
				r := p.s.Route(method("ch", "echo"))
				for range 64 / 4 {
					wg.Go(func() {
						want := bytes.Repeat([]byte{7}, size)
						for range 1 + 30/(1+size>>12) {
							rep, err := r.Call(t.Context(), session.Message{Payload: want}, nil)
							if err != nil || !bytes.Equal(rep.Payload, want) {
								t.Errorf("%d bytes, %v", len(rep.Payload), err)
								return
							}
						}
					})
				}
			}
			wg.Wait()
		}
	})
}

func TestLargeCall(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		h.join("p", echoing).provide("ch", "echo")
		want := strings.Repeat("0123456789abcdef", 128<<10)
		got, err := h.join("", nil).call("ch", "echo", want)
		must(t, err)
		if got != want {
			t.Fatalf("%d bytes", len(got))
		}
	})
}

// A target is called itself, provider or not; it has to be in the channel.
func TestTarget(t *testing.T) {
	h := newHouse(t, hub.Config{})
	who := func(name string) *session.Config {
		return router(map[string]func(*session.Call){"who": func(c *session.Call) { c.Reply(session.Message{Payload: []byte(name)}) }})
	}
	a, b, c := h.join("a", who("a")), h.join("b", who("b")), h.join("c", nil)
	a.provide("ch", "who")
	at := func(id string) wire.Bind {
		return wire.Bind{Class: wire.ClassMethod, Channel: "ch", Name: "who", Target: id}
	}
	r := c.s.Route(at("b"))
	_, err := r.Call(t.Context(), session.Message{}, nil)
	wantCode(t, err, status.NotFound)
	b.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
	rep, err := r.Call(t.Context(), session.Message{}, nil)
	must(t, err)
	if string(rep.Payload) != "b" {
		t.Fatalf("%s answered", rep.Payload)
	}
	b.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	_, err = r.Call(t.Context(), session.Message{}, nil)
	wantCode(t, err, status.NotFound)
	_, err = c.s.Route(at("nobody")).Call(t.Context(), session.Message{}, nil)
	wantCode(t, err, status.NotFound)
}

// A failure is told in the provider's own words.
func TestFailureTravelsUnchanged(t *testing.T) {
	h := newHouse(t, hub.Config{})
	want := &status.Error{Code: status.Failed, Message: "out of milk", Details: []byte{1, 2}, Retry: status.RetrySafe}
	h.join("p", router(map[string]func(*session.Call){"m": func(c *session.Call) { c.Fail(want) }})).provide("ch", "m")
	_, err := h.join("", nil).call("ch", "m", "")
	got, _ := errors.AsType[*status.Error](err)
	if got == nil || got.Code != want.Code || got.Message != want.Message || string(got.Details) != string(want.Details) || got.Retry != want.Retry {
		t.Fatalf("%+v", got)
	}
}

func TestCancelReachesTheProvider(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		running := make(chan struct{}, 1)
		p := h.join("p", router(map[string]func(*session.Call){"block": block(running)}))
		p.provide("ch", "block")
		c := h.join("c", nil)
		r := c.s.Route(method("ch", "block"))
		end := make(finals, 2)
		for range 20 {
			id, err := r.Start(t.Context(), session.Message{}, end)
			must(t, err)
			<-running
			r.Cancel(id)
			wantCode(t, <-end, status.Cancelled) // the final frame came, from the provider
		}
		if len(end) != 0 {
			t.Fatal("a call has ended twice")
		}
		if n := c.s.Stats().Pending + c.hubs.Stats().Inbound + p.hubs.Stats().Pending; n != 0 {
			t.Fatalf("%d calls are left", n)
		}
	})
}

func TestProviderKilledInTheMiddleOfCalls(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		running := make(chan struct{}, 64)
		p := h.join("p", router(map[string]func(*session.Call){"block": block(running)}))
		p.provide("ch", "block")
		c := h.join("c", nil)
		var calls []*session.Pending
		for range 64 {
			calls = append(calls, c.s.Route(method("ch", "block")).Go(t.Context(), session.Message{}))
			<-running
		}
		p.conn.Close()
		for _, call := range calls {
			_, err := call.Wait(patience(t))
			wantCode(t, err, status.PeerGone)
			if status.Retryable(err) || !strings.Contains(err.Error(), "ch/block") {
				t.Fatal(err)
			}
		}
		_, err := c.call("ch", "block", "")
		wantCode(t, err, status.NoProvider)
	})
}

func TestCallerKilledCancelsItsCalls(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		running, ended := make(chan struct{}, 1), make(chan struct{})
		p := h.join("p", router(map[string]func(*session.Call){"block": func(c *session.Call) {
			block(running)(c)
			close(ended)
		}}))
		p.provide("ch", "block")
		c := h.join("c", nil)
		c.s.Route(method("ch", "block")).Go(t.Context(), session.Message{})
		<-running
		c.conn.Close()
		<-ended
	})
}

// A provider that reads nothing: its callers can give up, and their other calls go on.
func TestStalledProvider(t *testing.T) {
	h := newHouse(t, hub.Config{})
	dead, alive, c := h.join("dead", nil), h.join("alive", echoing), h.join("c", nil)
	dead.provide("ch", "dead")
	alive.provide("ch", "echo")
	stall(dead, true)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	r := c.s.Route(method("ch", "dead"))
	for range 64 { // more than the outbox and the line hold
		wg.Go(func() {
			_, err := r.Call(ctx, session.Message{Payload: make([]byte, 60<<10)}, nil)
			if !errors.Is(err, status.Cancelled) {
				t.Error(err)
			}
		})
	}
	for range 200 {
		_, err := c.call("ch", "echo", "x")
		must(t, err)
	}
	// Some calls wait at the hub for room; at the end of their time they are answered by it.
	soon, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	_, err := r.Call(soon, session.Message{Payload: make([]byte, 200<<10)}, nil)
	wantCode(t, err, status.DeadlineExceeded)
	cancel()
	wg.Wait()
	stall(dead, false)
	dead.conn.Close()
	must(t, c.s.Ping(t.Context()))
}

// stall makes nothing arrive at a party, over mem.
func stall(p *party, on bool) {
	p.hubConn.(*mem.Conn).SetFaults(mem.Faults{Stall: on, Capacity: 128 << 10})
}

// The hub allocates nothing for a routed call.
func TestNoAllocationPerCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := newHouse(t, hub.Config{})
	h.pipe = unixPipe(t)
	h.join("p", echoing).provide("ch", "echo")
	r := h.join("c", nil).s.Route(method("ch", "echo"))
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
		t.Fatalf("%v allocations per call in caller, hub and provider together", n)
	}
}

// A peer that uses a call id twice hurts nobody else.
func TestCallIDUsedTwice(t *testing.T) {
	h := newHouse(t, hub.Config{})
	running := make(chan struct{}, 1)
	h.join("p", router(map[string]func(*session.Call){"block": block(running), "echo": echo})).provide("ch", "block", "echo")
	c, other := h.rawJoin(), h.join("other", nil)
	c.send(wire.Header{Kind: wire.KindBind, Route: 1}, wire.AppendBind(nil, method("ch", "block")))
	for range 3 {
		c.send(wire.Header{Kind: wire.KindCall, Flags: wire.FlagEnd, Route: 1, ID: 1 << 19}, nil)
	}
	<-running
	_, err := other.call("ch", "echo", "x")
	must(t, err)
}
