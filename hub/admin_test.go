// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

func TestKickFromTheHub(t *testing.T) {
	eachPipe(t, hub.Config{Rights: administers}, func(t *testing.T, h *house) {
		admin, p := h.join("admin", nil), h.join("p", echoing)
		x := admin.subscribe("$", "events.>")
		p.provide("ch", "echo")
		admin.mustOp(operation.Kick, operation.Eviction{Member: "p", Reason: "noise"}, nil)
		<-p.s.Done()
		wantCode(t, p.s.Err(), status.Evicted)
		if e := status.Convert(p.s.Err()); !strings.Contains(e.Message, "admin") || !strings.Contains(e.Message, "noise") {
			t.Fatal(e)
		}
		e := told[operation.Event](t, x, "events.evict", nil)
		if e.Member != "p" || e.By != "admin" || e.Channel != "" || !strings.Contains(e.Reason, "noise") {
			t.Fatalf("%+v", e)
		}
		e = told[operation.Event](t, x, "events.disconnect", nil)
		if e.Member != "p" || e.Code != "evicted" {
			t.Fatalf("%+v", e)
		}
		wantCode(t, admin.op(operation.Kick, operation.Eviction{Member: "p"}, nil), status.NotFound)
		must(t, h.h.Kick("admin", "you too"))
		<-admin.s.Done()
		wantCode(t, admin.s.Err(), status.Evicted)
	})
}

func TestAdministratorKicksFromAChannel(t *testing.T) {
	h := newHouse(t, hub.Config{Rights: administers})
	owner, p, admin := h.join("owner", nil), h.join("p", nil), h.join("admin", nil)
	for _, m := range []*party{owner, p} {
		m.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
	}
	sub := p.subscribe("ch", ">")
	admin.mustOp(operation.Kick, operation.Eviction{Channel: "ch", Member: "p"}, nil)
	_, err := sub.Recv(patience(t), nil)
	wantCode(t, err, status.Evicted)
	admin.mustOp(operation.Kick, operation.Eviction{Channel: "ch", Member: "owner"}, nil)
	wantCode(t, admin.op(operation.Members, operation.Place{Channel: "ch"}, nil), status.NotFound)
}

func TestTell(t *testing.T) {
	h := newHouse(t, hub.Config{Rights: administers, ID: "hub-x"})
	cfg, got := listening()
	admin, p, deaf := h.join("admin", nil), h.join("p", cfg), h.join("deaf", nil)
	admin.mustOp(operation.Tell, operation.Message{Member: "p", Name: "note", Payload: []byte(`{"a":1}`)}, nil)
	wantArrival(t, got, arrival{operation.Channel, "note", "hub-x", `{"a":1}`})
	must(t, h.h.Tell("p", "note", session.Message{Payload: []byte("raw")}))
	wantArrival(t, got, arrival{operation.Channel, "note", "hub-x", "raw"})
	wantCode(t, admin.op(operation.Tell, operation.Message{Member: "x", Name: "note"}, nil), status.NotFound)
	wantCode(t, admin.op(operation.Tell, operation.Message{Member: "p", Name: "a/b"}, nil), status.InvalidArgument)
	must(t, h.h.Tell("deaf", "note", session.Message{})) // it does not wait for the refusal
	must(t, deaf.s.Ping(patience(t)))
	_ = p
}

func TestWhoAdministers(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	h.join("q", nil)
	wantCode(t, p.op(operation.Kick, operation.Eviction{Member: "q"}, nil), status.PermissionDenied)
	wantCode(t, p.op(operation.Tell, operation.Message{Member: "q", Name: "n"}, nil), status.PermissionDenied)
	h = newHouse(t, hub.Config{Rights: everybodyReads})
	wantCode(t, h.join("p", nil).op(operation.Kick, operation.Eviction{Member: "p"}, nil), status.PermissionDenied)
}

func TestStats(t *testing.T) {
	h := newHouse(t, hub.Config{ID: "h1", Rights: everybodyReads})
	p, c := h.join("p", echoing), h.join("c", nil)
	p.provide("ch", "echo", "bad")
	for range 200 {
		_, err := c.call("ch", "echo", "hello")
		must(t, err)
	}
	_, err := c.call("ch", "nothing", "")
	wantCode(t, err, status.NoProvider)
	_, err = c.call("ch", "bad", "")
	wantCode(t, err, status.UnknownMethod)
	r := p.declare("ch", "t", false)
	x := c.subscribe("ch", "t")
	must(t, p.emit(r, "1"))
	_, err = x.Recv(patience(t), nil)
	must(t, err)
	p.s.Close()
	p.hubs.Wait()
	var st operation.HubStats
	c.mustOp(operation.Stats, operation.Empty{}, &st)
	if st.ID != "h1" || st.Sessions != 1 || st.SessionsTotal != 2 || st.Users != 1 || st.Channels != 0 || st.Subscriptions != 1 {
		t.Fatalf("%+v", st)
	}
	if st.Calls.Routed != 201 || st.Calls.Failed["no_provider"] != 1 || st.Calls.Failed["unknown_method"] != 1 || len(st.Calls.Failed) != 2 {
		t.Fatalf("%+v", st.Calls)
	}
	if l := st.Calls.Latency; l.Samples < 3 || l.Samples > 10 || l.P50 <= 0 || l.P99 < l.P50 {
		t.Fatalf("%+v", l)
	}
	if st.Publications.Offered != 1 || st.Publications.Delivered != 1 || st.Published != 1 {
		t.Fatalf("%+v", st.Publications)
	}
	// what the session that is over has carried is not forgotten: 200 calls went to it
	if st.Received.Frames < 400 || st.Received.Bytes < 400*40 || st.Sent.Frames < 400 || st.Sent.Bytes < 400*40 {
		t.Fatalf("%+v %+v", st.Received, st.Sent)
	}
}
