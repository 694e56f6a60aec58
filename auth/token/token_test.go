// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noon is the time of all tests here.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

var (
	everything = []auth.Right{{Verbs: []auth.Verb{"*"}}}
	calls      = []auth.Right{{Verbs: []auth.Verb{auth.VerbCall}, Channel: "math"}}
)

func issuer(t testing.TB) *Issuer {
	t.Helper()
	i, err := NewIssuer()
	must(t, err)
	return i
}

func issue(t testing.TB, i *Issuer, terms Terms) *Token {
	t.Helper()
	tok, err := i.Issue("alice", terms, noon)
	must(t, err)
	return tok
}

func narrow(t testing.TB, tok *Token, terms Terms) *Token {
	t.Helper()
	n, err := tok.Attenuate(terms)
	must(t, err)
	return n
}

func binding(name string) auth.Binding { return auth.Binding{Transcript: sha256.Sum256([]byte(name))} }

func trust(i ...*Issuer) Trust {
	t := Trust{Hub: "hub", Now: clock}
	for _, i := range i {
		t.Issuers = append(t.Issuers, i.Public())
	}
	return t
}

// present has a server judge a client on one connection.
func present(client, server auth.Mechanism) (auth.Identity, error) {
	b := binding("a")
	c, s := client.Client(b), server.Server(b)
	out, done, err := c.Step(nil)
	if err != nil {
		return auth.Identity{}, err
	}
	if back, sDone, err := s.Step(out); err != nil {
		return s.Identity(), err
	} else if len(back) > 0 || !sDone || !done {
		return auth.Identity{}, errors.New("more than one message")
	}
	return s.Identity(), nil
}

func wantCode(t *testing.T, err error, code status.Code, text string) {
	t.Helper()
	if status.CodeOf(err) != code || err != nil && !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %v %q", err, code, text)
	}
}

func TestJudge(t *testing.T) {
	good, other := issuer(t), issuer(t)
	hour := Terms{Rights: everything, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour), Audience: []string{"hub", "other"}}
	tok := issue(t, good, hour)
	id := func(t *Token, n int) ID { return t.Claims().IDs[n] }
	child := narrow(t, tok, Terms{Rights: calls})
	with := func(change func(*Trust)) Trust {
		tr := trust(good)
		change(&tr)
		return tr
	}
	for _, c := range []struct {
		name  string
		tok   *Token
		trust Trust
		says  string // "" if it is taken
	}{
		{"good", tok, trust(good), ""},
		{"narrowed", child, trust(good), ""},
		{"two issuers", tok, trust(other, good), ""},
		{"no issuer", tok, trust(), "not trusted"},
		{"other issuer", tok, trust(other), "not trusted"},
		{"not yet", issue(t, good, Terms{Rights: calls, NotBefore: noon.Add(time.Minute)}), trust(good), "not good before 2026-11-21T12:01:00Z"},
		{"within the skew", issue(t, good, Terms{Rights: calls, NotBefore: noon.Add(30 * time.Second)}), trust(good), ""},
		{"expired", issue(t, good, Terms{Rights: calls, NotAfter: noon.Add(-30 * time.Second)}), trust(good), "has expired"},
		{"just not expired", issue(t, good, Terms{Rights: calls, NotAfter: noon.Add(-29 * time.Second)}), trust(good), ""},
		{"no skew", issue(t, good, Terms{Rights: calls, NotAfter: noon}), with(func(t *Trust) { t.Skew = -1 }), "has expired"},
		{"a block has expired", narrow(t, tok, Terms{NotAfter: noon.Add(-time.Minute)}), trust(good), "has expired"},
		{"a later end does not help", narrow(t, issue(t, good, Terms{Rights: calls, NotAfter: noon.Add(-time.Minute)}), Terms{NotAfter: noon.Add(time.Hour)}), trust(good), "has expired"},
		{"other hub", tok, with(func(t *Trust) { t.Hub = "third" }), "not for this hub"},
		{"hubs in common", narrow(t, tok, Terms{Audience: []string{"other"}}), trust(good), "not for this hub"},
		{"a hub added does not help", narrow(t, issue(t, good, Terms{Rights: calls, Audience: []string{"x"}}), Terms{Audience: []string{"hub"}}), trust(good), "not for this hub"},
		{"revoked", tok, with(func(tr *Trust) { tr.Revoked.IDs = []ID{id(tok, 0)} }), "revoked"},
		{"root revoked", child, with(func(tr *Trust) { tr.Revoked.IDs = []ID{id(tok, 0)} }), "revoked"},
		{"child revoked, parent stays", tok, with(func(tr *Trust) { tr.Revoked.IDs = []ID{id(child, 1)} }), ""},
		{"child revoked", child, with(func(tr *Trust) { tr.Revoked.IDs = []ID{id(child, 1)} }), "revoked"},
		{"issuer revoked", tok, with(func(tr *Trust) { tr.Revoked.Issuers = tr.Issuers }), "not trusted"},
		{"issued before", tok, with(func(tr *Trust) { tr.Revoked.Before = noon.Add(time.Second) }), "revoked"},
		{"issued then", tok, with(func(tr *Trust) { tr.Revoked.Before = noon }), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			again, err := Parse("\n " + c.tok.Text() + "\r\n")
			must(t, err)
			id, err := present(Hold(again), NewVerifier(c.trust))
			if c.says != "" {
				wantCode(t, err, status.Unauthenticated, c.says)
				if id.Name != "" {
					t.Fatal(id)
				}
				return
			}
			must(t, err)
			if id.Name != "token:alice" || id.Mechanism != "token" || id.Bound == nil || !reflect.DeepEqual(*id.Bound, c.tok.Claims().Rights) {
				t.Fatalf("%+v", id)
			}
			if _, err := NewVerifier(c.trust).Verify(again); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Nothing can be widened, by those who follow the rules.
func TestAttenuate(t *testing.T) {
	i := issuer(t)
	tok := issue(t, i, Terms{Rights: []auth.Right{{Verbs: []auth.Verb{"call", "publish"}, Channel: "math.*", Name: "add.>"}}})
	for name, r := range map[string]auth.Right{
		"same":     {Verbs: []auth.Verb{"call", "publish"}, Channel: "math.*", Name: "add.>"},
		"verb":     {Verbs: []auth.Verb{"call"}, Channel: "math.*", Name: "add.>"},
		"channel":  {Verbs: []auth.Verb{"call"}, Channel: "math.a", Name: "add.>"},
		"name":     {Verbs: []auth.Verb{"publish"}, Channel: "math.*", Name: "add.int"},
		"no verbs": {Channel: "all.of.it"},
	} {
		n, err := tok.Attenuate(Terms{Rights: []auth.Right{r}})
		if err != nil || len(n.Claims().IDs) != 2 || n.Claims().IDs[0] != tok.Claims().IDs[0] {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, r := range map[string]auth.Right{
		"verb":        {Verbs: []auth.Verb{"call", "join"}, Channel: "math.*", Name: "add.>"},
		"all verbs":   {Verbs: []auth.Verb{"*"}, Channel: "math.*", Name: "add.>"},
		"any channel": {Verbs: []auth.Verb{"call"}, Name: "add.>"},
		"channels":    {Verbs: []auth.Verb{"call"}, Channel: "math.>", Name: "add.>"},
		"any name":    {Verbs: []auth.Verb{"call"}, Channel: "math.a"},
		"shorter":     {Verbs: []auth.Verb{"call"}, Channel: "math.a", Name: "add"},
	} {
		_, err := tok.Attenuate(Terms{Rights: []auth.Right{r}})
		wantCode(t, err, status.InvalidArgument, "would allow what the one before it does not")
		t.Log(name)
	}
	sealed := narrow(t, tok, Terms{Sealed: true})
	if !sealed.Claims().Sealed {
		t.Fatal("not sealed")
	}
	_, err := sealed.Attenuate(Terms{})
	wantCode(t, err, status.InvalidArgument, "sealed")
	long := tok
	for range MaxBlocks - 1 {
		long = narrow(t, long, Terms{})
	}
	_, err = long.Attenuate(Terms{})
	wantCode(t, err, status.InvalidArgument, "too long")
	if id, err := present(Hold(long), NewVerifier(trust(i))); err != nil || id.Name != "token:alice" {
		t.Fatal(err)
	}
	for _, bad := range []Terms{{}, {Rights: []auth.Right{{Verbs: []auth.Verb{"fly"}}}}, {Rights: []auth.Right{{Channel: "a..b"}}}, {Rights: calls, Audience: []string{"a/b"}}} {
		_, err := i.Issue("alice", bad, noon)
		wantCode(t, err, status.InvalidArgument, "")
	}
	_, err = i.Issue("al\nice", Terms{Rights: calls}, noon)
	wantCode(t, err, status.InvalidArgument, "subject")
}

// forge makes a block that breaks the rules, signed properly.
func forge(t *testing.T, tok *Token, b *block) *Token {
	t.Helper()
	next, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	b.next = next
	body := b.append(nil, false)
	raw := append([]byte{byte(len(tok.chain.blocks) + 1)}, tok.chain.raw[1:]...)
	raw = append(raw, byte(len(body)), byte(len(body)>>8))
	raw = slices.Concat(raw, body, ed25519.Sign(tok.key, tok.chain.message(body)))
	c := *tok.chain
	c.raw = raw
	c.blocks = append(slices.Clone(c.blocks), b)
	return &Token{&c, key}
}

// Whoever breaks the rules with the right key gets nowhere: the server checks them.
func TestForged(t *testing.T) {
	i := issuer(t)
	v := NewVerifier(trust(i))
	tok := issue(t, i, Terms{Rights: calls})
	_, err := present(Hold(forge(t, tok, &block{rights: everything, bounded: true})), v)
	wantCode(t, err, status.Unauthenticated, "would allow what")
	_, err = present(Hold(forge(t, narrow(t, tok, Terms{Sealed: true}), &block{})), v)
	wantCode(t, err, status.Unauthenticated, "sealed")
	if _, err := present(Hold(forge(t, tok, &block{})), v); err != nil {
		t.Fatal("the forge makes nothing good:", err)
	}
	// A block that is signed with somebody else's key, or stands on another token.
	thief := *tok
	thief.key = ed25519.NewKeyFromSeed(make([]byte, 32))
	_, err = present(Hold(forge(t, &thief, &block{})), v)
	wantCode(t, err, status.Unauthenticated, "not signed")
	stolen := &Token{narrow(t, tok, Terms{}).chain, tok.key} // the blocks of a child, the key of its parent
	_, err = present(Hold(stolen), v)
	wantCode(t, err, status.Unauthenticated, "the proof that the token is the client's is wrong")
	// The blocks of a child cut off: its key is not that of the parent's last block.
	cutOff := &Token{tok.chain, narrow(t, tok, Terms{}).key}
	_, err = present(Hold(cutOff), v)
	wantCode(t, err, status.Unauthenticated, "the proof that")
	_, err = Parse(cutOff.Text())
	wantCode(t, err, status.InvalidArgument, "damaged")
}

// What was seen of one connection is worth nothing on another; nor is any of its bytes
// without the others.
func TestReplayAndDamage(t *testing.T) {
	i := issuer(t)
	v := NewVerifier(trust(i))
	tok := narrow(t, issue(t, i, Terms{Rights: calls}), Terms{NotAfter: noon.Add(time.Hour), Audience: []string{"hub"}})
	seen, _, err := Hold(tok).Client(binding("a")).Step(nil)
	must(t, err)
	if _, done, err := v.Server(binding("a")).Step(seen); err != nil || !done {
		t.Fatal(err)
	}
	for n := range 20 {
		s := v.Server(binding(fmt.Sprint("restarted ", n)))
		if _, done, err := s.Step(seen); done || status.CodeOf(err) != status.Unauthenticated {
			t.Fatal("a recorded proof was taken", err)
		}
		if _, done, err := s.Step(seen); done || err == nil || s.Identity().Name != "" {
			t.Fatal("an exchange that failed came to life again")
		}
	}
	for n := range seen {
		bad := bytes.Clone(seen)
		bad[n] ^= 1
		for _, p := range [][]byte{bad, seen[:n], append(bytes.Clone(seen), seen[:n+1]...)} {
			if _, done, err := v.Server(binding("a")).Step(p); done || err == nil {
				t.Fatalf("byte %d changed, and it was taken", n)
			}
		}
	}
	if _, _, err := v.Server(auth.Binding{}).Step(seen); status.CodeOf(err) != status.Internal {
		t.Fatal(err)
	}
	if _, _, err := Hold(tok).Client(auth.Binding{}).Step(nil); status.CodeOf(err) != status.Internal {
		t.Fatal(err)
	}
	if _, _, err := v.Server(binding("a")).Step(make([]byte, auth.MaxStep+1)); status.CodeOf(err) != status.Protocol {
		t.Fatal(err)
	}
}

func TestWrongSides(t *testing.T) {
	i := issuer(t)
	tok := issue(t, i, Terms{Rights: calls})
	for _, x := range []auth.Exchange{NewVerifier(trust(i)).Client(binding("a")), Hold(tok).Server(binding("a"))} {
		if _, done, err := x.Step(nil); done || status.CodeOf(err) != status.Internal {
			t.Fatal(err)
		}
	}
	x := Hold(tok).Client(binding("a"))
	if _, done, err := x.Step([]byte{1}); done || status.CodeOf(err) != status.Protocol {
		t.Fatal(err)
	}
	gone := errors.New("no such file")
	if _, err := present(HoldFrom(func() (*Token, error) { return nil, gone }), NewVerifier(trust(i))); !errors.Is(err, gone) {
		t.Fatal(err)
	}
}

// A token fits into a message with a secret's proof beside it, however long it is.
func TestLongestToken(t *testing.T) {
	i := issuer(t)
	name := strings.Repeat("n", 250)
	tok := issue(t, i, Terms{Rights: slices.Repeat([]auth.Right{{Verbs: []auth.Verb{"call"}, Channel: name, Name: name}}, 5)})
	for {
		n, err := tok.Attenuate(Terms{Audience: []string{"hub"}})
		if err != nil {
			wantCode(t, err, status.InvalidArgument, "too long")
			break
		}
		tok = n
	}
	secret, err := auth.Secret([]byte("0123456789abcdef"), nil)
	must(t, err)
	b := binding("a")
	c, s := auth.All(Hold(tok), secret).Client(b), auth.All(NewVerifier(trust(i)), secret).Server(b)
	out, _, err := c.Step(nil)
	must(t, err)
	if _, done, err := s.Step(out); err != nil || !done {
		t.Fatal(err)
	}
	if id := s.Identity(); id.Mechanism != "secret+token" || id.Name != "token:alice" || id.Bound == nil || id.Lease == nil {
		t.Fatalf("%+v", id)
	}
	t.Logf("%d bytes in all, %d of blocks", len(out), len(tok.chain.raw))
}

// A kernel's user beside it does not lift the bounds of a token.
func TestBoundStaysBesidePeer(t *testing.T) {
	i := issuer(t)
	b := binding("a")
	b.Peer = auth.Peer{UID: 1000, GID: 1000, HasCredentials: true}
	peer := auth.PeerCredentials(auth.Allow{UIDs: []int{1000}})
	c, s := auth.All(peer, Hold(issue(t, i, Terms{Rights: calls}))).Client(b), auth.All(peer, NewVerifier(trust(i))).Server(b)
	out, _, err := c.Step(nil)
	must(t, err)
	if _, _, err := s.Step(out); err != nil {
		t.Fatal(err)
	}
	id := s.Identity()
	if id.Name != "token:alice" || id.Mechanism != "peer+token" || id.UID != 1000 || id.Bound == nil || !reflect.DeepEqual(*id.Bound, calls) {
		t.Fatalf("%+v", id)
	}
}

func TestLease(t *testing.T) {
	i, j := issuer(t), issuer(t)
	v := NewVerifier(trust(i, j))
	tok := issue(t, i, Terms{Rights: everything, NotAfter: noon.Add(time.Hour)})
	child := narrow(t, tok, Terms{})
	var told []string
	watch := func(name string, tok *Token) auth.Lease {
		id, err := present(Hold(tok), v)
		must(t, err)
		id.Lease.Watch(func(err error) { told = append(told, name+": "+err.Error()) })
		return id.Lease
	}
	l := watch("tok", tok)
	if got := l.Until(); !got.Equal(noon.Add(time.Hour + DefaultSkew)) {
		t.Fatal(got)
	}
	watch("child", child)
	other := watch("other", issue(t, j, Terms{Rights: everything}))
	if !other.Until().IsZero() {
		t.Fatal(other.Until())
	}
	tr := trust(i, j)
	tr.Revoked.IDs = []ID{child.Claims().IDs[1]}
	if n := v.SetTrust(tr); n != 1 || !slices.Equal(told, []string{"child: unauthenticated: the token was revoked"}) {
		t.Fatal(n, told)
	}
	told = nil
	if n := v.SetTrust(trust(j)); n != 1 || !slices.Equal(told, []string{"tok: unauthenticated: the issuer of the token is not trusted here"}) {
		t.Fatal(n, told)
	}
	told = nil
	if l.Watch(func(err error) { told = append(told, err.Error()) }); len(told) != 1 {
		t.Fatal("who comes late is not told", told)
	}
	stop := other.Watch(func(error) { t.Error("told after stop") })
	stop()
	stop()
	if n := v.SetTrust(Trust{}); n != 1 || len(told) != 2 {
		t.Fatal(n, told)
	}
}

func TestSaysNothing(t *testing.T) {
	i := issuer(t)
	tok := issue(t, i, Terms{Rights: calls})
	hidden := []string{
		base64.RawURLEncoding.EncodeToString(tok.key.Seed()[:24]), fmt.Sprintf("%x", tok.key.Seed()), fmt.Sprintf("%d", tok.key.Seed()[:4])[1:],
		fmt.Sprintf("%x", i.key.Seed()), fmt.Sprintf("%d", i.key.Seed()[:4])[1:],
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{tok, i, []*Token{tok}} {
			got := fmt.Sprintf(verb, v)
			for _, h := range hidden {
				if strings.Contains(got, strings.Trim(h, "[]")) {
					t.Errorf("%s of %T shows a key", verb, v)
				}
			}
		}
	}
}

func TestTexts(t *testing.T) {
	i := issuer(t)
	again, err := ParseIssuer(" " + i.Text() + "\n")
	if err != nil || !again.key.Equal(i.key) {
		t.Fatal(err)
	}
	k, err := ParsePublicKey(i.Public().String())
	if err != nil || k != i.Public() {
		t.Fatal(err)
	}
	tok := issue(t, i, Terms{Rights: calls})
	for _, bad := range []string{"", "plexus_v1_", "plexus_v2_" + tok.Text()[10:], tok.Text() + "A", tok.Text()[:len(tok.Text())-1], strings.Repeat("a", 1<<20), i.Text()} {
		if _, err := Parse(bad); status.CodeOf(err) != status.InvalidArgument {
			t.Errorf("%.20q: %v", bad, err)
		}
		if _, err := ParsePublicKey(bad); status.CodeOf(err) != status.InvalidArgument {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	if _, err := ParseIssuer(i.Public().String()); status.CodeOf(err) != status.InvalidArgument {
		t.Error(err)
	}
}

func TestRevoked(t *testing.T) {
	i := issuer(t)
	id := issue(t, i, Terms{Rights: calls}).Claims().IDs[0]
	r, err := ParseRevoked([]byte(`{"ids":["` + string(id) + `"],"issuers":["` + i.Public().String() + `"],"issued_before":"2026-11-21T12:00:00Z"}` + "\n"))
	if err != nil || r.IDs[0] != id || r.Issuers[0] != i.Public() || !r.Before.Equal(noon) {
		t.Fatal(r, err)
	}
	for _, bad := range []string{"", "[]", `{"id":[]}`, `{"ids":["x"]}`, `{"ids":["` + strings.ToUpper(string(id)) + `A"]}`, `{} {}`, `{"issuers":["x"]}`, "{\n\n\"ids\":7}",
		"null", `{"ids":null}`, `{"issuers":[null]}`, `{"issued_before":null}`, `{"IDS":["` + string(id) + `"]}`, `{"ids":["` + string(id) + `"],"ids":[]}`,
		`{"ids":["` + string(id) + `"],"\u0069ds":[]}`, "\ufeff{}", `{"ids":[]`, `{"ids":[[]]}`,
	} {
		if _, err := ParseRevoked([]byte(bad)); status.CodeOf(err) != status.InvalidArgument {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ParseRevoked([]byte("{\n\n\"ids\":7}")); !strings.Contains(err.Error(), "line 3") {
		t.Error(err)
	}
	if _, err := ParseRevoked(make([]byte, MaxRevoked+1)); err == nil {
		t.Error("too long")
	}
}
