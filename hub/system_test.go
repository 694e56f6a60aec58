// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// open to all: over mem the kernel vouches for nobody.
var everybodyReads = guard.Rights{Readers: []string{guard.Everybody}}

// told takes publications until one is on the topic, and returns its payload.
func told[T any](t testing.TB, x *session.Stream, topic string, wanted func(v T) bool) T {
	t.Helper()
	ctx := patience(t)
	for {
		item, err := x.Recv(ctx, nil)
		must(t, err)
		var v T
		if item.From.Name != topic {
			continue
		}
		if item.From.Channel != operation.Channel || item.Codec != json1 {
			t.Fatalf("%+v", item.From)
		}
		must(t, json.Unmarshal(item.Payload, &v))
		if wanted == nil || wanted(v) {
			return v
		}
	}
}

func TestSystemEvents(t *testing.T) {
	eachPipe(t, hub.Config{Rights: everybodyReads}, func(t *testing.T, h *house) {
		reader := h.join("reader", nil)
		x := reader.subscribe("$", "events.>")
		p := h.join("p", echoing)
		of := func(kind string) operation.Event {
			return told(t, x, "events."+kind, func(e operation.Event) bool { return e.Member == "p" })
		}
		if e := of(operation.EventConnect); e.Type != operation.EventConnect || e.Time.IsZero() || e.Identity == "" {
			t.Fatalf("%+v", e)
		}
		p.provide("math", "echo")
		of(operation.NoticeJoin)
		if e := of(operation.NoticeProvide); e.Channel != "math" || e.Name != "echo" {
			t.Fatalf("%+v", e)
		}
		p.s.Close()
		if e := of(operation.NoticeLeave); e.Reason == "" {
			t.Fatalf("%+v", e)
		}
		if e := of(operation.EventDisconnect); e.Code != "peer_gone" || e.Reason == "" {
			t.Fatalf("%+v", e)
		}
	})
}

func TestSystemLogs(t *testing.T) {
	h := newHouse(t, hub.Config{Rights: everybodyReads, AllowStop: true, OnStop: func(time.Duration) {}})
	reader := h.join("reader", nil)
	x := reader.subscribe("$", "logs.*")
	h.join("p", nil)
	l := told(t, x, "logs.debug", func(l operation.LogLine) bool { return l.Attrs["member"] == "p" })
	if l.Message != "member attached" || l.Level != "debug" || l.Time.IsZero() {
		t.Fatalf("%+v", l)
	}
	reader.mustOp(operation.Stop, operation.StopRequest{Drain: 1}, nil)
	told[operation.LogLine](t, x, "logs.info", func(l operation.LogLine) bool { return l.Message == "stop was asked for" })
}

// What is not read costs nothing, and a log that nobody reads is not made.
func TestSystemCostsNothingUnread(t *testing.T) {
	lines := 0
	h := newHouse(t, hub.Config{Rights: everybodyReads, Log: slog.New(counting{&lines})})
	p := h.join("p", nil)
	x := p.subscribe("$", "events.join")
	h.join("q", nil)
	if lines != 0 {
		t.Fatalf("%d lines below the log's own level", lines)
	}
	x.Cancel()
}

type counting struct{ n *int }

func (c counting) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (c counting) Handle(context.Context, slog.Record) error    { *c.n++; return nil }
func (c counting) WithAttrs([]slog.Attr) slog.Handler           { return c }
func (c counting) WithGroup(string) slog.Handler                { return c }

// Nobody but the hub publishes, provides, joins or sets anything on its own channel.
func TestSystemChannelIsReadOnly(t *testing.T) {
	h := newHouse(t, hub.Config{Rights: guard.Rights{Administrators: []string{guard.Everybody}}})
	p := h.join("p", nil)
	for _, c := range []struct {
		op   string
		in   any
		code status.Code
	}{
		{operation.Join, operation.Place{Channel: "$"}, status.InvalidArgument},
		{operation.Leave, operation.Place{Channel: "$"}, status.InvalidArgument},
		{operation.Provide, operation.Offer{Channel: "$", Method: "m"}, status.InvalidArgument},
		{operation.Provide, operation.Offer{Channel: "$", Method: operation.Join}, status.InvalidArgument},
		{operation.Provide, operation.Offer{Channel: "$x", Method: "m"}, status.InvalidArgument},
		{operation.Withdraw, operation.Offer{Channel: "$", Method: operation.Join}, status.InvalidArgument},
		{operation.Declare, operation.Topic{Channel: "$", Name: "events.join"}, status.InvalidArgument},
		{operation.Declare, operation.Topic{Channel: "$", Name: "events.join", Shared: true}, status.InvalidArgument},
		{operation.Retract, operation.Topic{Channel: "$", Name: "events.join"}, status.InvalidArgument},
		{operation.Kick, operation.Eviction{Channel: "$", Member: "p"}, status.InvalidArgument},
		{operation.Members, operation.Place{Channel: "$"}, status.InvalidArgument},
		{operation.Explore, operation.Query{Channel: "$"}, status.InvalidArgument},
	} {
		t.Run(c.op, func(t *testing.T) { wantCode(t, p.op(c.op, c.in, nil), c.code) })
	}
	for _, class := range []wire.Class{wire.ClassTopic, wire.ClassEvent, wire.ClassBroadcast} {
		for _, name := range []string{"events.join", operation.Join} {
			err := p.s.Route(wire.Bind{Class: class, Channel: "$", Name: name}).Emit(t.Context(), session.Message{})
			wantCode(t, err, status.PermissionDenied)
		}
	}
	_, err := p.tryOpen(operation.Watch, operation.Place{Channel: "$"})
	wantCode(t, err, status.InvalidArgument)
}

func TestWhoMayReadTheSystem(t *testing.T) {
	h := newHouse(t, hub.Config{})
	_, err := h.join("p", nil).tryOpen(operation.Subscribe, operation.Subscription{Channel: "$", Pattern: ">"})
	wantCode(t, err, status.PermissionDenied)
	h = newHouse(t, hub.Config{Rights: guard.Rights{Readers: []string{"anonymous"}}})
	h.join("p", nil).subscribe("$", ">")
	h = newHouse(t, hub.Config{})
	h.pipe = unixPipe(t) // the kernel says that it is the same user
	h.join("p", nil).subscribe("$", ">")
}

// A reader that does not read loses bulletins, is told of the gap, and causes none by it.
func TestSlowReaderOfTheSystem(t *testing.T) {
	h := newHouse(t, hub.Config{Rights: everybodyReads, DefaultQueue: 8})
	slow := h.join("slow", &session.Config{StreamWindow: 512})
	x := slow.subscribe("$", ">")
	p := h.join("p", nil)
	for i := range 200 {
		p.mustOp(operation.Join, operation.Place{Channel: fmt.Sprint("c", i)}, nil)
	}
	var got, lost int
	for lost == 0 {
		item, err := x.Recv(patience(t), nil)
		must(t, err)
		if item.From.Name != "" {
			if got++; item.From.Name == "events.drop" {
				t.Fatalf("a drop before a reader became a bulletin: %s", item.Payload)
			}
			continue
		}
		var c operation.Confirmation
		must(t, json.Unmarshal(item.Payload, &c))
		lost += int(c.Dropped)
	}
	if st := h.h.Status(); st.Dropped["bulletin_queue_full"] == 0 || st.Dropped["queue_full"] != 0 {
		t.Fatalf("%v after %d and %d", st.Dropped, got, lost)
	}
}

// What a subscriber loses is published: all of it, once it has been told.
func TestDropsArePublished(t *testing.T) {
	h := newHouse(t, hub.Config{Rights: everybodyReads})
	x := h.join("reader", nil).subscribe("$", "events.drop")
	slow := h.join("slow", &session.Config{StreamWindow: 512})
	sub, _ := slow.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "t.>", Queue: 4})
	p := h.join("p", nil)
	r := p.declare("ch", "t.x", false)
	const n = 500
	for i := range n {
		must(t, r.Emit(t.Context(), numbered(i, 100)))
	}
	must(t, p.s.Ping(patience(t)))
	var seen reading
	for seen.next < n {
		item, err := sub.Recv(patience(t), nil)
		must(t, err)
		seen.take(t, item)
	}
	if seen.lost == 0 {
		t.Fatal("nothing was lost")
	}
	for sum := uint64(0); sum < uint64(seen.lost); {
		e := told[operation.Event](t, x, "events.drop", nil)
		if e.Member != "slow" || e.Channel != "ch" || e.Name != "t.>" || e.Dropped == 0 {
			t.Fatalf("%+v", e)
		}
		if sum += e.Dropped; sum > uint64(seen.lost) {
			t.Fatalf("%d were published, %d lost", sum, seen.lost)
		}
	}
}

func TestErrorPolicy(t *testing.T) {
	for _, policy := range []hub.ErrorPolicy{hub.Ignore, hub.Broadcast, hub.Raise} {
		t.Run(string(policy), func(t *testing.T) {
			h := newHouse(t, hub.Config{Rights: everybodyReads, ErrorPolicy: policy})
			x := h.join("reader", nil).subscribe("$", ">")
			cfg, _ := listening()
			to := h.join("to", cfg)
			to.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
			p := h.join("p", nil)
			r := p.event("ch", "e", "to")
			must(t, p.emit(r, "1"))
			to.s.Close()
			to.hubs.Wait()
			for err := error(nil); err == nil; { // its route is revoked, or its session ends
				err = p.emit(r, "2")
			}
			if policy == hub.Ignore {
				p.mustOp(operation.Join, operation.Place{Channel: "after"}, nil)
				told(t, x, "events.join", func(e operation.Event) bool { return e.Channel == "after" })
				if h.h.Status().Dropped["event_nobody"] == 0 {
					t.Fatal("it was not counted")
				}
				return
			}
			f := told[operation.Fault](t, x, "errors."+operation.FaultOrphan, nil)
			if f.Member != "p" || f.Channel != "ch" || f.Name != "e" || f.Reason == "" || f.Closed != (policy == hub.Raise) {
				t.Fatalf("%+v", f)
			}
			if policy == hub.Raise {
				<-p.s.Done()
				wantCode(t, p.s.Err(), status.Evicted)
			}
		})
	}

}
