// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

func (p *party) joinChannel(channel string) (j operation.Joined) {
	p.t.Helper()
	p.mustOp(operation.Join, operation.Place{Channel: channel}, &j)
	return j
}

// memberIDs lists a channel's members, the owner with a star.
func (p *party) memberIDs(channel string) []string {
	p.t.Helper()
	var list operation.MemberList
	if err := p.op(operation.Members, operation.Place{Channel: channel}, &list); err != nil {
		wantCode(p.t, err, status.NotFound)
	}
	var ids []string
	for _, m := range list.Members {
		if m.Owner {
			m.ID += "*"
		}
		ids = append(ids, m.ID)
	}
	return ids
}

func wantIDs(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestMembersOfAChannel(t *testing.T) {
	now := time.Unix(1000, 0)
	h := newHouse(t, hub.Config{Now: func() time.Time { return now }})
	a := h.join("a", &session.Config{Product: "test/1", Metadata: map[string]string{"k": "v"}, Router: echoing.Router})
	b, c := h.join("b", nil), h.join("c", nil)
	if j := a.joinChannel("ch"); j != (operation.Joined{Channel: "ch", ID: "a", Owner: "a", Members: 1}) {
		t.Fatalf("%+v", j)
	}
	now = now.Add(10 * time.Second)
	if j := b.joinChannel("ch"); j != (operation.Joined{Channel: "ch", ID: "b", Owner: "a", Members: 2}) {
		t.Fatalf("%+v", j)
	}
	b.joinChannel("ch")
	a.provide("ch", "echo")
	b.declare("ch", "t", false)
	var list operation.MemberList
	c.mustOp(operation.Members, operation.Place{Channel: "ch"}, &list)
	if len(list.Members) != 2 {
		t.Fatalf("%+v", list)
	}
	m := list.Members[0]
	if m.ID != "a" || !m.Owner || m.Product != "test/1" || m.Metadata["k"] != "v" || m.Age != 10 || !slices.Equal(m.Methods, []string{"echo"}) || m.Identity == "" {
		t.Fatalf("%+v", m)
	}
	if m := list.Members[1]; m.ID != "b" || m.Owner || m.Age != 0 || !slices.Equal(m.Topics, []string{"t"}) {
		t.Fatalf("%+v", m)
	}
	c.mustOp(operation.Members, operation.Place{}, &list)
	if len(list.Members) != 3 {
		t.Fatalf("%+v", list)
	}
	var channels operation.ChannelList
	c.mustOp(operation.Channels, operation.Empty{}, &channels)
	if want := []operation.ChannelInfo{{Name: "ch", Owner: "a", Members: 2, Methods: 1, Topics: 1}}; !slices.Equal(channels.Channels, want) {
		t.Fatalf("%+v", channels)
	}
	wantCode(t, c.op(operation.Leave, operation.Place{Channel: "ch"}, nil), status.NotFound)
}

// By policy terminate a channel ends with its owner, and all that was in it.
func TestTerminate(t *testing.T) {
	for _, how := range []string{"leave", "close"} {
		t.Run(how, func(t *testing.T) {
			eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
				owner, b, c := h.join("owner", nil), h.join("b", echoing), h.join("c", nil)
				owner.joinChannel("ch")
				b.provide("ch", "echo")
				r := b.declare("ch", "t", false)
				shared := b.declare("ch", "s", true)
				must(t, b.emit(r, ""))
				must(t, c.emit(c.topic("ch", "s"), ""))
				c.joinChannel("ch")
				sub, other := c.subscribe("ch", ">"), c.subscribe("else", ">")
				watch, _ := c.open(operation.Watch, operation.Place{Channel: "ch"})
				if how == "leave" {
					owner.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
				} else {
					owner.conn.Close()
				}
				if n := next(t, watch, operation.NoticeTerminate); n.Member != "owner" || n.Channel != "ch" {
					t.Fatalf("%+v", n)
				}
				var left []string
				for range 2 {
					left = append(left, next(t, watch, operation.NoticeLeave).Member)
				}
				wantIDs(t, left, "b", "c")
				var err error
				for err == nil { // what was published before may come first
					_, err = sub.Recv(patience(t), nil)
				}
				wantCode(t, err, status.Terminated)
				_, err = c.call("ch", "echo", "")
				wantCode(t, err, status.NoProvider)
				must(t, b.s.Ping(t.Context()))
				wantCode(t, b.emit(r, ""), status.Undeclared)
				wantCode(t, b.emit(shared, ""), status.Undeclared)
				wantIDs(t, c.memberIDs("ch"))
				if st := h.h.Status(); st.Channels+st.Methods+st.Topics != 0 || st.Subscriptions != 2 {
					t.Fatalf("%+v", st)
				}
				// The name is free; the watch sees its next life.
				if j := c.joinChannel("ch"); j.Owner != "c" {
					t.Fatalf("%+v", j)
				}
				next(t, watch, operation.NoticeOwner)
				other.Cancel()
			})
		})
	}
}

func TestPromote(t *testing.T) {
	eachPipe(t, hub.Config{OwnerPolicy: hub.Promote}, func(t *testing.T, h *house) {
		a, b, c := h.join("a", nil), h.join("b", echoing), h.join("c", nil)
		a.joinChannel("ch")
		b.provide("ch", "echo")
		c.joinChannel("ch")
		watch, _ := c.open(operation.Watch, operation.Place{Channel: "ch"})
		sub := c.subscribe("ch", ">")
		a.conn.Close()
		if n := next(t, watch, operation.NoticeOwner); n.Member != "b" {
			t.Fatalf("%+v", n)
		}
		wantIDs(t, c.memberIDs("ch"), "b*", "c")
		_, err := c.call("ch", "echo", "")
		must(t, err)
		b.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
		wantIDs(t, c.memberIDs("ch"), "c*")
		_, err = c.call("ch", "echo", "")
		wantCode(t, err, status.NoProvider)
		r := c.declare("ch", "t", false)
		must(t, c.emit(r, "x"))
		_, err = sub.Recv(patience(t), nil)
		must(t, err)
	})
}

func TestKick(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner, b, c := h.join("owner", nil), h.join("b", echoing), h.join("c", nil)
	owner.joinChannel("ch")
	b.provide("ch", "echo")
	r := b.declare("ch", "t", false)
	must(t, b.emit(r, ""))
	sub, elsewhere := b.subscribe("ch", ">"), b.subscribe("else", ">")
	watchB, _ := b.open(operation.Watch, operation.Place{Channel: "ch"})
	watchC, _ := c.open(operation.Watch, operation.Place{Channel: "ch"})
	kick := func(by *party, channel, id string) error {
		return by.op(operation.Kick, operation.Eviction{Channel: channel, Member: id, Reason: "too loud"}, nil)
	}
	wantCode(t, kick(c, "ch", "b"), status.NotOwner)
	wantCode(t, kick(b, "ch", "owner"), status.NotOwner)
	wantCode(t, kick(owner, "nowhere", "b"), status.NotFound)
	wantCode(t, kick(owner, "ch", "nobody"), status.NotFound)
	wantCode(t, kick(owner, "ch", "c"), status.NotFound)
	wantCode(t, kick(owner, "ch", "owner"), status.InvalidArgument)
	must(t, kick(owner, "ch", "b"))
	for _, x := range []*session.Stream{sub, watchB} { // he who is evicted gets nothing more of the channel
		var err error
		for err == nil {
			_, err = x.Recv(patience(t), nil)
		}
		wantCode(t, err, status.Evicted)
		if !strings.Contains(err.Error(), "too loud") {
			t.Fatal(err)
		}
	}
	if n := next(t, watchC, operation.NoticeLeave); n.Member != "b" || !strings.Contains(n.Reason, "too loud") {
		t.Fatalf("%+v", n)
	}
	_, err := c.call("ch", "echo", "")
	wantCode(t, err, status.NoProvider)
	must(t, b.s.Ping(t.Context()))
	wantCode(t, b.emit(r, ""), status.Undeclared)
	wantIDs(t, c.memberIDs("ch"), "owner*")
	else1 := owner.declare("else", "t", false)
	must(t, owner.emit(else1, ""))
	_, err = elsewhere.Recv(patience(t), nil)
	must(t, err)
}

// Who leaves a channel leaves all of it: what it offers, and its subscriptions, which end well.
func TestLeave(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner, b := h.join("owner", nil), h.join("b", nil)
	owner.joinChannel("ch")
	running, release := make(chan struct{}), make(chan struct{})
	p := h.join("p", router(map[string]func(*session.Call){"wait": func(c *session.Call) {
		running <- struct{}{}
		<-release
		echo(c)
	}}))
	p.provide("ch", "wait")
	x := p.subscribe("ch", ">")
	call := b.s.Route(method("ch", "wait")).Go(t.Context(), session.Message{})
	<-running
	p.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	if _, err := x.Recv(patience(t), nil); err != io.EOF {
		t.Fatal(err)
	}
	_, err := b.call("ch", "wait", "")
	wantCode(t, err, status.NoProvider)
	close(release) // what was under way goes on
	_, err = call.Wait(patience(t))
	must(t, err)
	wantIDs(t, b.memberIDs("ch"), "owner*")
}

func TestNotices(t *testing.T) {
	h := newHouse(t, hub.Config{OwnerPolicy: hub.Promote})
	w, a, b := h.join("w", nil), h.join("a", nil), h.join("b", nil)
	one, _ := w.open(operation.Watch, operation.Place{Channel: "ch"})
	all, _ := w.open(operation.Watch, operation.Place{})
	a.provide("ch", "m")
	b.joinChannel("ch")
	a.declare("ch", "t", false)
	x := b.subscribe("ch", "*")
	y := b.subscribe("ch", "t")
	a.declare("ch", "u", true)
	x.Cancel()
	must(t, b.s.Ping(t.Context()))
	y.Cancel()
	must(t, b.s.Ping(t.Context()))
	a.mustOp(operation.Retract, operation.Topic{Channel: "ch", Name: "u"}, nil)
	a.mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "m"}, nil)
	a.conn.Close()
	want := []string{
		"join a ", "owner a ", "provide a m", "join b ", "declare a t", "first_subscriber b t", "declare a u", "first_subscriber  u",
		"last_subscriber b u", "last_subscriber b t", "retract a u", "withdraw a m", "retract a t", "leave a ", "owner b ",
	}
	for _, x := range []*session.Stream{one, all} {
		for _, want := range want {
			n := next(t, x)
			if got := fmt.Sprint(n.Type, " ", n.Member, " ", n.Name); got != want || n.Channel != "ch" {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
}

// A watcher that does not read misses notices, and is told how many.
func TestSlowWatcher(t *testing.T) {
	h := newHouse(t, hub.Config{DefaultQueue: 5})
	w, a := h.join("w", &session.Config{StreamWindow: 500}), h.join("a", nil)
	x, _ := w.open(operation.Watch, operation.Place{Channel: "ch"})
	a.joinChannel("ch")
	const n = 200
	for range n {
		a.provide("ch", "m")
	}
	seen := uint64(0)
	for seen < n+2 {
		notice := next(t, x)
		seen += max(notice.Dropped, 1)
	}
	if d := h.h.Status().Dropped["notice_queue_full"]; d == 0 || seen != n+2 {
		t.Fatalf("%d dropped, %d seen", d, seen)
	}
}

// Reserved and malformed names are refused by every operation and every route.
func TestNamesAreChecked(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	for _, bad := range []string{"$", "$logs", "", "a b ", "a..b", "a/b", "a*", "\x00", "caf\u0065\u0301", strings.Repeat("x", 256)} {
		for op, in := range map[string]any{
			operation.Join: operation.Place{Channel: bad}, operation.Provide: operation.Offer{Channel: bad, Method: "m"},
			operation.Declare: operation.Topic{Channel: bad, Name: "t"},
		} {
			wantCode(t, p.op(op, in, nil), status.InvalidArgument)
		}
		if strings.HasPrefix(bad, "$") {
			continue
		}
		wantCode(t, p.op(operation.Provide, operation.Offer{Channel: "ch", Method: bad}, nil), status.InvalidArgument)
		wantCode(t, p.op(operation.Declare, operation.Topic{Channel: "ch", Name: bad}, nil), status.InvalidArgument)
		if len(bad) < 256 {
			_, err := p.call("ch", bad, "")
			wantCode(t, err, status.InvalidArgument)
			wantCode(t, p.emit(p.broadcast(bad, "m"), ""), status.InvalidArgument)
			wantCode(t, p.emit(p.topic(bad, "m"), ""), status.InvalidArgument)
		}
	}
	wantCode(t, p.emit(p.broadcast("$", "m"), ""), status.PermissionDenied)
	wantCode(t, p.emit(p.topic("$logs", "m"), ""), status.InvalidArgument)
	wantIDs(t, p.memberIDs("ch"))
	if st := h.h.Status(); st.Channels != 0 {
		t.Fatalf("%+v", st)
	}
}

func TestLimits(t *testing.T) {
	h := newHouse(t, hub.Config{
		MaxChannels: 2, MaxMembersPerChannel: 2, MaxNamesPerChannel: 2, MaxChannelsPerMember: 1, MaxSubscriptionsPerMember: 2, MaxQueue: 10,
	})
	a, b, c, d := h.join("a", nil), h.join("b", nil), h.join("c", nil), h.join("d", nil)
	a.provide("one", "m1", "m2")
	for op, in := range map[string]any{
		operation.Provide: operation.Offer{Channel: "one", Method: "m3"}, operation.Join: operation.Place{Channel: "two"},
	} {
		wantCode(t, a.op(op, in, nil), status.LimitExceeded)
	}
	a.provide("one", "m1")
	a.declare("one", "t1", false)
	a.declare("one", "t2", false)
	wantCode(t, a.op(operation.Declare, operation.Topic{Channel: "one", Name: "t3"}, nil), status.LimitExceeded)
	b.joinChannel("one")
	wantCode(t, c.op(operation.Join, operation.Place{Channel: "one"}, nil), status.LimitExceeded)
	c.joinChannel("two")
	wantCode(t, d.op(operation.Join, operation.Place{Channel: "three"}, nil), status.LimitExceeded)
	d.subscribe("one", "t")
	x := d.subscribe("one", "t")
	full := func() error {
		_, err := d.tryOpen(operation.Subscribe, operation.Subscription{Channel: "one", Pattern: "t"})
		return err
	}
	wantCode(t, full(), status.LimitExceeded)
	x.Cancel()
	must(t, d.s.Ping(t.Context()))
	must(t, full())
	_, err := c.tryOpen(operation.Subscribe, operation.Subscription{Channel: "one", Pattern: "t", Queue: 11})
	wantCode(t, err, status.InvalidArgument)
}
