// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// listening takes one-way messages.
func listening() (*session.Config, chan arrival) {
	got := make(chan arrival, 1<<16)
	return &session.Config{Router: serve{calls: map[string]func(*session.Call){"m": echo}, got: got}}, got
}

func (p *party) event(channel, name, target string) *session.Route {
	return p.s.Route(wire.Bind{Class: wire.ClassEvent, Channel: channel, Name: name, Target: target})
}

func (p *party) broadcast(channel, name string) *session.Route {
	return p.s.Route(wire.Bind{Class: wire.ClassBroadcast, Channel: channel, Name: name})
}

func wantArrival(t testing.TB, got chan arrival, want arrival) {
	t.Helper()
	select {
	case a := <-got:
		if a != want {
			t.Fatalf("got %+v, want %+v", a, want)
		}
	case <-patience(t).Done():
		t.Fatalf("nothing came, want %+v", want)
	}
}

func TestSend(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		cfgA, gotA := listening()
		cfgB, gotB := listening()
		a, b, c := h.join("a", cfgA), h.join("b", cfgB), h.join("c", nil)
		wantCode(t, c.emit(c.event("ch", "m", ""), "x"), status.NoProvider)
		a.provide("ch", "m")
		b.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
		toProvider, toB := c.event("ch", "m", ""), c.event("ch", "any", "b")
		for i := range 100 {
			must(t, c.emit(toProvider, fmt.Sprint(i)))
			must(t, c.emit(toB, fmt.Sprint(i)))
		}
		for i := range 100 {
			wantArrival(t, gotA, arrival{"ch", "m", "c", fmt.Sprint(i)})
			wantArrival(t, gotB, arrival{"ch", "any", "c", fmt.Sprint(i)})
		}
		must(t, a.emit(a.event("ch", "self", "a"), "me"))
		wantArrival(t, gotA, arrival{"ch", "self", "a", "me"})
		wantCode(t, c.emit(c.event("ch", "m", "c"), ""), status.NotFound) // c has not joined
		wantCode(t, c.emit(c.event("ch", "m", "nobody"), ""), status.NotFound)

		// The sender learns that nobody is there any more with its next message but one.
		b.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
		must(t, c.emit(toB, "lost"))
		must(t, c.s.Ping(t.Context()))
		wantCode(t, c.emit(toB, ""), status.NotFound)
		if n := h.h.Status().Dropped["event_nobody"]; n != 1 {
			t.Fatalf("%d dropped", n)
		}
	})
}

// A receiver that has no ear for an event says so, and its sender is told.
func TestSendToTheDeaf(t *testing.T) {
	h := newHouse(t, hub.Config{})
	deaf, c := h.join("deaf", echoing), h.join("c", nil)
	deaf.provide("ch", "echo")
	r := c.event("ch", "echo", "")
	var err error
	for range 100 { // the refusal needs a moment
		if err = c.emit(r, "x"); err != nil {
			break
		}
		must(t, c.s.Ping(t.Context()))
		must(t, deaf.s.Ping(t.Context()))
	}
	wantCode(t, err, status.UnknownMethod)
}

func TestBroadcast(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		sender := h.join("s", nil)
		wantCode(t, sender.emit(sender.broadcast("ch", "news"), ""), status.NotFound)
		var all []chan arrival
		for i := range 5 {
			cfg, got := listening()
			h.join(fmt.Sprint("m", i), cfg).mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
			all = append(all, got)
		}
		h.join("deaf", nil).mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
		cfg, outside := listening()
		h.join("outside", cfg)
		cfg, own := listening()
		member := h.join("member", cfg)
		member.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
		r, r2 := sender.broadcast("ch", "news"), member.broadcast("ch", "more")
		for i := range 100 {
			must(t, sender.emit(r, fmt.Sprint(i)))
		}
		for i := range 100 {
			for _, got := range append(all, own) {
				wantArrival(t, got, arrival{"ch", "news", "s", fmt.Sprint(i)})
			}
		}
		must(t, member.emit(r2, "last"))
		for _, got := range all {
			wantArrival(t, got, arrival{"ch", "more", "member", "last"})
		}
		if len(own) != 0 || len(outside) != 0 {
			t.Fatal("the sender or a stranger got a broadcast")
		}
	})
}

// A member that reads nothing delays neither the sender nor the others; what it loses is
// counted and told.
func TestStalledReceiver(t *testing.T) {
	h := newHouse(t, hub.Config{DefaultQueue: 10})
	slowCfg, slowGot := listening()
	fastCfg, fastGot := listening()
	slow, fast, s := h.join("slow", slowCfg), h.join("fast", fastCfg), h.join("s", nil)
	for _, p := range []*party{slow, fast} {
		p.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
	}
	x, _ := slow.open(operation.Watch, operation.Place{Channel: "ch"})
	stall(slow, true)
	r := s.broadcast("ch", "news")
	const n = 2000
	for i := range n {
		must(t, r.Emit(t.Context(), session.Message{Payload: fmt.Appendf(nil, "%04000d", i)}))
		<-fastGot
	}
	lost := h.h.Status().Dropped["event_queue_full"]
	if lost == 0 {
		t.Fatal("nothing was dropped")
	}
	stall(slow, false)
	got := uint64(0)
	var told uint64
	for told < lost {
		told += next(t, x, operation.NoticeGap).Dropped
	}
	for got < n-lost {
		<-slowGot
		got++
	}
	if told != lost || len(slowGot) != 0 {
		t.Fatalf("lost %d, told %d, %d more", lost, told, len(slowGot))
	}
}

// A sender that makes up names does not make the hub keep them.
func TestEventNamesAreForgotten(t *testing.T) {
	h := newHouse(t, hub.Config{})
	cfg, got := listening()
	m, s := h.join("m", cfg), h.join("s", nil)
	m.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
	const n = 3000
	for i := range n {
		must(t, s.emit(s.broadcast("ch", fmt.Sprint("n", i)), ""))
	}
	for i := range n {
		wantArrival(t, got, arrival{"ch", fmt.Sprint("n", i), "s", ""})
	}
}
