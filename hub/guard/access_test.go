// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/status"
)

func user(uid int) auth.Identity {
	return auth.Identity{Mechanism: "peer", Name: fmt.Sprint("uid:", uid), UID: uid, GID: uid % 3, HasCredentials: true}
}

func called(name string) auth.Identity {
	return auth.Identity{Mechanism: "x", Name: name, UID: -1, GID: -1}
}

func list(t testing.TB, rules ...guard.Rule) *guard.Access {
	t.Helper()
	a, err := guard.NewAccess(rules)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func allow(who string, channel, name string, verbs ...auth.Verb) guard.Rule {
	return guard.Rule{Who: []string{who}, Verbs: verbs, Channel: channel, Name: name}
}

func deny(who string, channel, name string, verbs ...auth.Verb) guard.Rule {
	r := allow(who, channel, name, verbs...)
	r.Deny = true
	return r
}

func TestAccess(t *testing.T) {
	a := list(t,
		allow("uid:1000000", "math", "add.*", auth.VerbCall),
		allow("cn:*", "logs.>", "", auth.VerbSubscribe, auth.VerbPublish),
		deny("cn:eve", "", "", "*"),
		allow("gid:7", "", "", "*"),
		allow("token:alice", "chat", "", "*"),
		deny("token:alice", "chat", "secret.>", auth.VerbSubscribe),
		deny("token:*", "chat", "", auth.VerbOwn),
		allow("token:bob", "", "", auth.VerbAdminister),
		deny("token:bob", "vault", "", auth.VerbJoin),
		allow("token:bob", "vault", "", auth.VerbCall),
	)
	seven := called("secret")
	seven.GID, seven.HasCredentials = 7, true
	for _, c := range []struct {
		id            auth.Identity
		verb          auth.Verb
		channel, name string
		want          bool
	}{
		{user(1000000), auth.VerbCall, "math", "add.two", true},
		{user(1000000), auth.VerbCall, "math", "add", false},
		{user(1000000), auth.VerbCall, "maths", "add.two", false},
		{user(1000000), auth.VerbProvide, "math", "add.two", false},
		{user(1000000), auth.VerbJoin, "math", "", true},
		{user(1000000), auth.VerbJoin, "other", "", false},
		{user(1000000), auth.VerbSubscribe, "math", "", false},
		{user(1000001), auth.VerbCall, "math", "add.two", false},
		{called("uid:1000000"), auth.VerbCall, "math", "add.two", true}, // the name is what was proved
		{called("cn:web"), auth.VerbSubscribe, "logs.web", "x", true},
		{called("cn:web"), auth.VerbSubscribe, "logs", "x", false},
		{called("cn:eve"), auth.VerbSubscribe, "logs.web", "x", false},
		{called("cn:eve"), auth.VerbJoin, "logs.web", "", false},
		{called("dns:web"), auth.VerbSubscribe, "logs.web", "x", false},
		{seven, auth.VerbOwn, "any", "", true},
		{seven, auth.VerbProvide, "any", "thing", true},
		{called("token:alice"), auth.VerbSubscribe, "chat", "news", true},
		{called("token:alice"), auth.VerbSubscribe, "chat", "secret.a", false},
		{called("token:alice"), auth.VerbPublish, "chat", "secret.a", true},
		{called("token:alice"), auth.VerbSubscribe, "chat", "", true},
		{called("token:alice"), auth.VerbOwn, "chat", "", false},
		{called("token:bob"), auth.VerbJoin, "vault", "", false},
		{called("token:bob"), auth.VerbCall, "vault", "x", false},
		{called(""), auth.VerbCall, "math", "add.two", false},
	} {
		if got := a.For(c.id).May(c.verb, c.channel, c.name); got != c.want {
			t.Errorf("%s %s %s/%s: %v", c.id.Name, c.verb, c.channel, c.name, got)
		}
	}
	if v := a.For(called("token:bob")).Administers(); v != guard.Allowed {
		t.Errorf("bob administers: %v", v)
	}
	if v := a.For(seven).Administers(); v != guard.Silent {
		t.Errorf(`"*" makes an administrator: %v`, v)
	}
	for who, nothing := range map[string]bool{"cn:web": false, "cn:eve": true, "dns:web": true, "token:alice": false} {
		if got := a.For(called(who)).Nothing(); got != nothing {
			t.Errorf("%s may do nothing: %v", who, got)
		}
	}
}

// No list and no bound is everything; an empty list is nothing.
func TestNoAccessAndEmptyAccess(t *testing.T) {
	var none *guard.Access
	if g := none.For(user(1000000)); g != nil || !g.May(auth.VerbOwn, "ch", "") || g.Nothing() || g.Administers() != guard.Silent {
		t.Fatal("without a list something is forbidden")
	}
	g := list(t).For(user(1000000))
	if g.May(auth.VerbJoin, "ch", "") || !g.Nothing() || g.Administers() != guard.Silent {
		t.Fatal("an empty list lets somebody in")
	}
}

// The bound of an identity holds with and without a list; it never adds anything.
func TestBoundIsHonoured(t *testing.T) {
	id := user(1000000)
	id.Bound = &[]auth.Right{{Verbs: []auth.Verb{auth.VerbCall}, Channel: "math", Name: "add"}}
	var none *guard.Access
	for what, a := range map[string]*guard.Access{"no list": none, "a list": list(t, allow("*", "", "", "*", auth.VerbAdminister))} {
		g := a.For(id)
		for _, c := range []struct {
			verb          auth.Verb
			channel, name string
			want          bool
		}{
			{auth.VerbCall, "math", "add", true}, {auth.VerbCall, "math", "sub", false}, {auth.VerbCall, "chat", "add", false},
			{auth.VerbJoin, "math", "", true}, {auth.VerbJoin, "chat", "", false}, {auth.VerbPublish, "math", "add", false}, {auth.VerbOwn, "math", "", false},
		} {
			if got := g.May(c.verb, c.channel, c.name); got != c.want {
				t.Errorf("%s: %s %s/%s: %v", what, c.verb, c.channel, c.name, got)
			}
		}
		if g.Administers() != guard.Forbidden {
			t.Errorf("%s: the bound does not keep it from administering", what)
		}
	}
	if list(t, allow("uid:1000000", "chat", "", "*")).For(id).May(auth.VerbCall, "math", "add") {
		t.Error("a bound adds to a list")
	}
	id.Bound = &[]auth.Right{}
	if !none.For(id).Nothing() {
		t.Error("a token without rights may do something")
	}
}

// What is compiled decides as who reads one rule after the other.
func TestAccessAgreesWithExplain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	verbs := append(auth.Verbs(), "*")
	for range 400 {
		var rules []guard.Rule
		for range r.IntN(12) {
			rule := guard.Rule{
				Who:     []string{pick("*", "uid:*", "uid:1000000", "gid:1", "cn:a*", "cn:abc", "token:x")},
				Channel: pick("", ">", "a", "a.*", "a.>", "b", "*.c"), Name: pick("", "", ">", "m", "m.*", "m.>", "*.n"), Deny: r.IntN(3) == 0,
			}
			for range 1 + r.IntN(2) {
				rule.Verbs = append(rule.Verbs, verbs[r.IntN(len(verbs))])
			}
			if a, err := guard.NewAccess([]guard.Rule{rule}); err == nil && a != nil {
				rules = append(rules, rule)
			}
		}
		a := list(t, rules...)
		for range 60 {
			id := called(pick("cn:a", "cn:abc", "cn:b", "token:x", "token:y", ""))
			if r.IntN(2) == 0 {
				id = user(1000000 + r.IntN(3))
			}
			verb, channel, name := auth.Verbs()[r.IntN(7)], pick("a", "a.c", "b", "b.c", "x"), pick("m", "m.n", "m.n.o", "z", "")
			if verb == auth.VerbJoin || verb == auth.VerbOwn {
				name = ""
			}
			want := a.Explain(id, verb, channel, name)
			if got := a.For(id).May(verb, channel, name); got != want.Allowed {
				t.Fatalf("%s %s %s/%s: %v, but %+v (%v) of %v", id.Name, verb, channel, name, got, want, want.Rule, rules)
			}
			admin := a.Explain(id, auth.VerbAdminister, "", "")
			if got := a.For(id).Administers() == guard.Allowed; got != admin.Allowed {
				t.Fatalf("%s administers: %v, but %+v of %v", id.Name, got, admin, rules)
			}
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	for _, c := range []struct {
		why  string
		rule guard.Rule
	}{
		{"says nobody", guard.Rule{Verbs: []auth.Verb{"*"}}},
		{"allows and denies nothing", guard.Rule{Who: []string{"*"}}},
		{"there is no verb", allow("*", "", "", "fly")},
		{"there is no verb", allow("*", "", "", "")},
		{"stands at its end", allow("cn:*.example.com", "", "", "*")},
		{"is empty", allow("", "", "", "*")},
		{"no such characters", allow("uid:\n1", "", "", "*")},
		{"bytes, 512 are possible", allow(strings.Repeat("x", 600), "", "", "*")},
		{"pattern name", allow("*", "a..b", "", "*")},
		{"pattern name", allow("*", "", "a\x00", "*")},
		{"whole channel", allow("*", "", "x", auth.VerbOwn)},
		{"whole channel", deny("*", "", "x", auth.VerbJoin)},
		{"whole hub", allow("*", "ch", "", auth.VerbAdminister)},
		{"identities, 1024 are possible", guard.Rule{Who: make([]string, 2000), Verbs: []auth.Verb{"*"}}},
	} {
		_, err := guard.NewAccess([]guard.Rule{c.rule})
		if status.CodeOf(err) != status.InvalidArgument || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%v: %v", c.rule, err)
		}
	}
	if _, err := guard.NewAccess(make([]guard.Rule, guard.MaxRules+1)); err == nil {
		t.Error("too many rules are taken")
	}
}

// Nothing is allocated for a question, and it costs the same with any number of rules.
func TestAccessDoesNotAllocate(t *testing.T) {
	g := many(t, 1000).For(user(1000500))
	if n := testing.AllocsPerRun(100, func() {
		if !g.May(auth.VerbCall, "ch500.x", "add.two") || g.May(auth.VerbCall, "ch499.x", "add.two") {
			t.Fatal("wrong")
		}
	}); n > 0 {
		t.Fatalf("%v allocations", n)
	}
}

// many returns n rules: a third for single users, a third for everybody, a third that deny.
func many(t testing.TB, n int) *guard.Access {
	var rules []guard.Rule
	for i := range n {
		ch := fmt.Sprintf("ch%d.*", i)
		switch i % 3 {
		case 0:
			rules = append(rules, allow("*", ch, fmt.Sprintf("add%d.*", i), auth.VerbCall, auth.VerbSubscribe))
		case 1:
			rules = append(rules, deny("*", ch, "secret.>", "*"))
		case 2:
			rules = append(rules, allow(fmt.Sprint("uid:", 1000000+i), ch, "add.*", auth.VerbCall))
		}
	}
	return list(t, rules...)
}

func BenchmarkAccess(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		a := many(b, n)
		g := a.For(user(1000000 + n/2/3*3 + 2))
		ch := fmt.Sprintf("ch%d.x", n/2/3*3+2)
		b.Run(fmt.Sprint("may/", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !g.May(auth.VerbCall, ch, "add.two") {
					b.Fatal("denied")
				}
			}
		})
		b.Run(fmt.Sprint("for/", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.For(user(1000000))
			}
		})
	}
}
