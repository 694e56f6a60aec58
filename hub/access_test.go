// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// known is a mechanism that finds who it is told to.
type known struct {
	auth.Mechanism
	id auth.Identity
}

func (k known) Server(b auth.Binding) auth.Exchange { return found{k.Mechanism.Server(b), k.id} }

type found struct {
	auth.Exchange
	id auth.Identity
}

func (f found) Identity() auth.Identity { return f.id }

// as has the next members come as somebody.
func (h *house) as(id auth.Identity) *house {
	h.base.Auth = auth.Chain{Mechanisms: []auth.Mechanism{known{auth.None(), id}}}
	return h
}

// enter brings a member in whose identity is "token:" and its id.
func (h *house) enter(id string, cfg *session.Config) *party {
	h.t.Helper()
	return h.as(token(id)).join(id, cfg)
}

func token(name string) auth.Identity {
	return auth.Identity{Mechanism: "token", Name: "token:" + name, UID: -1, GID: -1}
}

// rule allows verbs, which are separated by spaces; "!" before them denies them. where is a
// channel, or channel/name.
func rule(who, verbs, where string) guard.Rule {
	r := guard.Rule{Who: []string{"token:" + who}}
	if who == "*" {
		r.Who[0] = "*"
	}
	verbs, r.Deny = strings.CutPrefix(verbs, "!")
	for v := range strings.FieldsSeq(verbs) {
		r.Verbs = append(r.Verbs, auth.Verb(v))
	}
	r.Channel, r.Name, _ = strings.Cut(where, "/")
	return r
}

func access(t testing.TB, rules ...guard.Rule) *guard.Access {
	t.Helper()
	a, err := guard.NewAccess(rules)
	must(t, err)
	return a
}

func wantForbidden(t testing.TB, what string, err error) {
	t.Helper()
	if status.CodeOf(err) != status.PermissionDenied || !strings.Contains(status.Convert(err).Message, "may not") {
		t.Errorf("%s: got %v, want a refusal by the list", what, err)
	}
}

// An access list guards every operation: who has no right in a channel can do nothing with it, and
// cannot find out whether there is such a channel; and each verb opens what it is for.
func TestAccessGuardsEverything(t *testing.T) {
	opens := map[string][]string{
		"call":      {"call", "call of nothing", "stream", "call of a member", "send", "send to a member", "broadcast"},
		"publish":   {"publish", "publish another's", "publish nothing"},
		"subscribe": {"subscribe"},
		"own":       {"kick", "password", "no password"},
		"provide":   {"provide", "provide what is taken"},
		"declare":   {"declare"},
	}
	joining := []string{"watch", "members", "explore", "explore nothing", "leave", "withdraw", "retract", "join"}
	h := newHouse(t, hub.Config{Access: access(t, rule("owner", "*", ""))})
	owner := h.enter("owner", &session.Config{Router: serve{calls: map[string]func(*session.Call){"echo": echo}, got: make(chan arrival, 1000)}})
	owner.provide("ch", "echo")
	owner.declare("ch", "t", false)
	owner.declare("ch", "s", true)
	list := func(verbs string) {
		rules := []guard.Rule{rule("owner", "*", ""), rule("p", "join", "elsewhere")}
		if verbs != "" {
			rules = append(rules, rule("p", verbs, "ch"))
		}
		h.h.SetAccess(access(t, rules...))
	}
	list("")
	p := h.enter("p", nil)
	check := func(verbs string, open func(name string) bool) {
		t.Helper()
		for _, e := range everything {
			err := e.do(p)
			switch {
			case !open(e.name):
				wantForbidden(t, verbs+": "+e.name, err)
			case e.open == status.OK && err != nil, e.open != status.OK && !errors.Is(err, e.open):
				t.Errorf("%q: %s: got %v, want %v", verbs, e.name, err, e.open)
			}
		}
	}
	in := func(all []string, name string) bool {
		return strings.Contains("|"+strings.Join(all, "|")+"|", "|"+name+"|")
	}
	check("nothing", func(string) bool { return false })
	for verb, names := range opens {
		list(verb)
		check(verb, func(name string) bool { return in(names, name) || in(joining, name) })
		_ = p.op(operation.Leave, operation.Place{Channel: "ch"}, nil)
	}
	list("join")
	check("join", func(name string) bool { return in(joining, name) })
	_ = p.op(operation.Leave, operation.Place{Channel: "ch"}, nil)
	list("*")
	check("*", func(string) bool { return true })
	h.h.SetAccess(nil)
	_ = p.op(operation.Leave, operation.Place{Channel: "ch"}, nil)
	check("no list", func(string) bool { return true })
}

// A channel that one may not enter looks the same whether it exists or not.
func TestAccessIsNoOracle(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("owner", "*", ""), rule("p", "*", "public"))})
	owner, p := h.enter("owner", echoing), h.enter("p", nil)
	owner.provide("hidden", "echo")
	for _, e := range []struct {
		name string
		do   func(channel string) error
	}{
		{"join", func(ch string) error { return p.op(operation.Join, operation.Place{Channel: ch}, nil) }},
		{"members", func(ch string) error { return p.op(operation.Members, operation.Place{Channel: ch}, nil) }},
		{"explore", func(ch string) error { return p.op(operation.Explore, operation.Query{Channel: ch}, nil) }},
		{"call", func(ch string) error { _, err := p.call(ch, "echo", "x"); return err }},
		{"watch", func(ch string) error { return p.opened(operation.Watch, operation.Place{Channel: ch}) }},
		{"unlock", func(ch string) error { return p.unlock(ch, "guess") }},
	} {
		there, not := e.do("hidden"), e.do("nosuch")
		wantForbidden(t, e.name, there)
		if a, b := strings.ReplaceAll(there.Error(), "hidden", "X"), strings.ReplaceAll(not.Error(), "nosuch", "X"); a != b {
			t.Errorf("%s tells them apart: %q and %q", e.name, a, b)
		}
	}
	var channels operation.ChannelList
	p.mustOp(operation.Channels, operation.Empty{}, &channels)
	var members operation.MemberList
	p.mustOp(operation.Members, operation.Place{}, &members)
	if len(channels.Channels) != 0 || len(members.Members) != 1 || members.Members[0].ID != "p" {
		t.Fatalf("p sees %+v and %+v", channels, members)
	}
	w := mustWatch(p, "")
	p.joinChannel("public")
	owner.mustOp(operation.Join, operation.Place{Channel: "hidden2"}, nil)
	owner.mustOp(operation.Join, operation.Place{Channel: "public"}, nil)
	for range 3 {
		if n := next(t, w, operation.NoticeJoin, operation.NoticeOwner); n.Channel != "public" {
			t.Fatalf("p is told of %+v", n)
		}
	}
	p.mustOp(operation.Members, operation.Place{}, &members)
	if len(members.Members) != 2 {
		t.Fatalf("in one channel they see %+v", members)
	}
}

// Who may not own a channel cannot make one, nor inherit one that somebody else may.
func TestAccessToOwn(t *testing.T) {
	h := newHouse(t, hub.Config{OwnerPolicy: hub.Promote, Access: access(t, rule("*", "*", ""), rule("guest", "!own", ""))})
	guest, a, b := h.enter("guest", nil), h.enter("a", nil), h.enter("b", nil)
	for _, e := range []struct {
		op string
		in any
	}{
		{operation.Join, operation.Place{Channel: "new"}}, {operation.Provide, operation.Offer{Channel: "new", Method: "m"}},
		{operation.Declare, operation.Topic{Channel: "new", Name: "t"}},
	} {
		wantForbidden(t, e.op, guest.op(e.op, e.in, nil))
	}
	wantForbidden(t, "password", guest.channel("new").SetPassword(t.Context(), "x"))
	a.joinChannel("ch")
	guest.joinChannel("ch")
	b.joinChannel("ch")
	a.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	wantIDs(t, b.memberIDs("ch"), "guest", "b*")
	b.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	wantIDs(t, guest.memberIDs("ch"), "guest*") // somebody has to
	wantForbidden(t, "password", guest.channel("ch").SetPassword(t.Context(), "x"))
	b.joinChannel("ch")
	wantForbidden(t, "kick", guest.op(operation.Kick, operation.Eviction{Channel: "ch", Member: "b"}, nil))
}

// The hub's own user stays its administrator whatever a list says, and is otherwise judged as
// anybody is. A bound holds for him, too, and without a list.
func TestAccessOfAdministrators(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t), AllowStop: true, OnStop: func(_ time.Duration) {}})
	own := auth.Identity{Mechanism: "peer", Name: "me", UID: os.Geteuid(), GID: os.Getegid(), HasCredentials: true}
	if !own.Own() {
		t.Skip("users have no numbers here")
	}
	me := h.as(own).join("me", nil)
	wantForbidden(t, "join", me.op(operation.Join, operation.Place{Channel: "ch"}, nil))
	must(t, me.opened(operation.Subscribe, operation.Subscription{Channel: operation.Channel, Pattern: ">"}))
	h.h.SetAccess(access(t, rule("*", "!administer", ""), rule("x", "join", ""), rule("boss", "administer", ""), rule("*", "!administer", "")))
	must(t, me.op(operation.Stop, operation.StopRequest{}, nil))
	x := h.enter("x", nil)
	wantForbidden(t, "stop", x.op(operation.Stop, operation.StopRequest{}, nil))
	h.h.SetAccess(access(t, rule("x", "join", ""), rule("boss", "administer", "")))
	boss := h.enter("boss", nil)
	reading := boss.subscribe(operation.Channel, ">")
	must(t, boss.op(operation.Kick, operation.Eviction{Member: "x"}, nil))
	wantForbidden(t, "join", boss.op(operation.Join, operation.Place{Channel: "ch"}, nil))
	h.h.SetAccess(access(t, rule("boss", "join", "")))
	for err := error(nil); err == nil; _, err = reading.Recv(patience(t), nil) {
		if status.CodeOf(err) == status.DeadlineExceeded {
			t.Fatal("who is no administrator any more reads on")
		}
	}
	wantCode(t, boss.op(operation.Kick, operation.Eviction{Member: "me"}, nil), status.PermissionDenied)

	h.h.SetAccess(nil)
	own.Bound = &[]auth.Right{{Verbs: []auth.Verb{"*"}, Channel: "ch"}}
	bound := h.as(own).join("bound", nil)
	bound.joinChannel("ch")
	wantForbidden(t, "join", bound.op(operation.Join, operation.Place{Channel: "other"}, nil))
	wantForbidden(t, "kick", bound.op(operation.Kick, operation.Eviction{Member: "me"}, nil))
	wantForbidden(t, "read", bound.opened(operation.Subscribe, operation.Subscription{Channel: operation.Channel, Pattern: ">"}))
}

// Who may do nothing at all is not let in.
func TestAccessAtTheDoor(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("p", "call", "ch"))})
	h.enter("p", nil)
	_, err := h.as(token("q")).tryJoin("q", nil)
	if status.CodeOf(err) != status.PermissionDenied || !strings.Contains(err.Error(), "has no rights") {
		t.Fatal(err)
	}
	h.h.SetAccess(access(t))
	if _, err := h.as(token("p")).tryJoin("p2", nil); status.CodeOf(err) != status.PermissionDenied {
		t.Fatal(err)
	}
}

// Of a pattern's topics a subscription brings those that its member may have, also of what they
// keep from before.
func TestAccessOfPatterns(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("owner", "*", ""), rule("p", "subscribe", "ch/a.*"), rule("p", "!subscribe", "ch/a.secret"))})
	owner, p := h.enter("owner", nil), h.enter("p", nil)
	topics := map[string]*session.Route{}
	for _, name := range []string{"a.one", "a.secret", "b"} {
		owner.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: name, Keep: 5}, nil)
		topics[name] = owner.topic("ch", name)
		must(t, owner.emit(topics[name], "kept "+name))
	}
	must(t, owner.s.Ping(t.Context()))
	x, c := p.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: ">", Replay: 5})
	if c.Replayed != 1 {
		t.Fatalf("%+v", c)
	}
	for _, name := range []string{"b", "a.secret", "a.one"} {
		must(t, owner.emit(topics[name], "live "+name))
	}
	for _, want := range []string{"kept a.one", "live a.one"} {
		if item, err := x.Recv(patience(t), nil); err != nil || string(item.Payload) != want {
			t.Fatalf("%q, %v", item.Payload, err)
		}
	}
	wantForbidden(t, "subscribe", p.opened(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "b"}))
	wantForbidden(t, "subscribe", p.opened(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "a.secret"}))
	x.Cancel()
}

// A list costs routed calls and publications no allocation.
func TestNoAllocationWithAccess(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := newHouse(t, hub.Config{Access: access(t, rule("*", "*", ""))})
	a, b := h.enter("a", echoing), h.enter("b", nil)
	a.provide("ch", "echo")
	r := b.s.Route(wire.Bind{Class: wire.ClassMethod, Channel: "ch", Name: "echo"})
	m, dst := session.Message{Payload: make([]byte, 64)}, make([]byte, 0, 128)
	call := func() {
		if _, err := r.Call(t.Context(), m, dst); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		call()
	}
	if n := testing.AllocsPerRun(500, call); n >= 1 {
		t.Fatalf("%v allocations per call", n)
	}
}
