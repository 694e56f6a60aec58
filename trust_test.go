// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// count returns how many lines have a text in them.
func (l *lines) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (l *lines) log() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// issuing is an issuer, and who judges its tokens.
type issuing struct {
	t        *testing.T
	issuer   *token.Issuer
	trust    token.Trust
	verifier *token.Verifier
}

func newIssuing(t *testing.T) *issuing {
	t.Helper()
	i, err := token.NewIssuer()
	must(t, err)
	g := &issuing{t: t, issuer: i, trust: token.Trust{Issuers: []token.PublicKey{i.Public()}, Hub: "h", Skew: -1}}
	g.verifier = token.NewVerifier(g.trust)
	return g
}

func (g *issuing) token(subject string, terms token.Terms) *token.Token {
	g.t.Helper()
	if terms.Rights == nil {
		terms.Rights = []auth.Right{{Verbs: []auth.Verb{"*"}}}
	}
	tok, err := g.issuer.Issue(subject, terms, time.Now())
	must(g.t, err)
	return tok
}

// serve listens at an address for a hub called h.
func serve(t *testing.T, address string, o plexus.ListenOptions) *plexus.Server {
	t.Helper()
	h := hub.New(hub.Config{ID: "h"})
	o.Hub, o.ID = h, h.ID()
	srv, err := plexus.Listen(address, &o)
	must(t, err)
	t.Cleanup(func() { srv.Close(); h.Close() })
	return srv
}

// identity returns who a client is at its hub.
func identity(t *testing.T, c *plexus.Client) string {
	t.Helper()
	var list operation.MemberList
	must(t, c.Operate(t.Context(), operation.Members, operation.Place{}, &list))
	for _, m := range list.Members {
		if m.ID == c.ID() {
			return m.Identity
		}
	}
	t.Fatal("not a member of its hub")
	return ""
}

func refused(t *testing.T, address string, o plexus.DialOptions, code status.Code, text string) {
	t.Helper()
	c, err := plexus.Dial(t.Context(), address, &o)
	if err == nil {
		c.Close()
	}
	if status.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %v %q", err, code, text)
	}
}

// A token says who a client is, on every transport, with and without a secret and TLS.
func TestTokens(t *testing.T) {
	g := newIssuing(t)
	alice := token.Hold(g.token("alice", token.Terms{}))
	secret := []byte("0123456789abcdef0123456789abcdef")
	serverTLS, clientTLS := certificate(t)
	for name, c := range map[string]struct {
		address string
		listen  plexus.ListenOptions
		dial    plexus.DialOptions
	}{
		"unix":   {path(t), plexus.ListenOptions{}, plexus.DialOptions{}},
		"shm":    {strings.Replace(path(t), "unix", "shm", 1), plexus.ListenOptions{}, plexus.DialOptions{}},
		"tcp":    {"tcp://127.0.0.1:0", plexus.ListenOptions{}, plexus.DialOptions{}},
		"secret": {"tcp://127.0.0.1:0", plexus.ListenOptions{Secret: secret}, plexus.DialOptions{Secret: secret}},
		"tls":    {"tls://127.0.0.1:0", plexus.ListenOptions{TLS: serverTLS}, plexus.DialOptions{TLS: clientTLS}},
	} {
		t.Run(name, func(t *testing.T) {
			c.listen.Tokens = g.verifier
			c.dial.Token = alice
			srv := serve(t, c.address, c.listen)
			cl, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &c.dial)
			must(t, err)
			defer cl.Close()
			if id := identity(t, cl); id != "token:alice" {
				t.Fatal(id)
			}
			c.dial.Token = nil
			if name == "unix" || name == "shm" { // the own user needs none
				own, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &c.dial)
				must(t, err)
				must(t, own.Close())
			} else {
				refused(t, srv.Endpoints()[0], c.dial, status.Unauthenticated, "a token")
			}
			c.dial.Token, c.dial.Secret = alice, []byte("wrong wrong wrong")
			refused(t, srv.Endpoints()[0], c.dial, status.Unauthenticated, "")
		})
	}
	// A client with a token insists on a hub that judges it: else it would not be bounded.
	plain := serve(t, path(t), plexus.ListenOptions{})
	refused(t, plain.Endpoints()[0], plexus.DialOptions{Token: alice}, status.Unauthenticated, "this client has: a token")
}

// What a token does not allow is refused by a direct server, too: calls, streams, events,
// publications and subscriptions.
func TestTokensBoundDirectUse(t *testing.T) {
	g := newIssuing(t)
	srv, err := plexus.Listen(path(t), &plexus.ListenOptions{Tokens: g.verifier})
	must(t, err)
	defer srv.Close()
	echo := func(_ context.Context, in int) (int, error) { return in, nil }
	for _, name := range []string{"add.int", "sub.int"} {
		_, err = plexus.Handle(srv, name, echo)
		must(t, err)
	}
	_, err = plexus.Declare(srv, "news.a", plexus.WithShared())
	must(t, err)
	rights := []auth.Right{{Verbs: []auth.Verb{"call"}, Name: "add.*"}, {Verbs: []auth.Verb{"subscribe"}, Name: "news.a"}, {Verbs: []auth.Verb{"*"}, Channel: "elsewhere"}}
	c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{Token: token.Hold(g.token("alice", token.Terms{Rights: rights}))})
	must(t, err)
	defer c.Close()
	if n, err := plexus.Call[int](t.Context(), c, "add.int", 7); n != 7 || err != nil {
		t.Fatal(n, err)
	}
	sub, err := plexus.Subscribe[int](t.Context(), c, "news.a")
	must(t, err)
	must(t, sub.Close())
	denied := func(what string, err error) {
		t.Helper()
		if status.CodeOf(err) != status.PermissionDenied || !strings.Contains(err.Error(), "token:alice") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = plexus.Call[int](t.Context(), c, "sub.int", 7)
	denied("call", err)
	_, err = plexus.Call[int](t.Context(), c, "no.such", 7)
	denied("call of a method that does not exist", err)
	for _, err := range plexus.Stream[int](t.Context(), c, "sub.int", 7) {
		denied("stream", err)
	}
	_, err = plexus.Subscribe[int](t.Context(), c, "news.*")
	denied("subscribe", err)
	denied("publish", plexus.Publish(t.Context(), c, "news.a", 1))
}

// Who else is there, and what is offered in a channel that its token does not speak of, a client
// does not learn from a direct server, as it does not from a hub.
func TestTokensBoundWhatIsSeen(t *testing.T) {
	g := newIssuing(t)
	for name, c := range map[string]struct {
		rights  []auth.Right // nil for a client without a token
		sees    int
		explore status.Code
	}{
		"nobody": {[]auth.Right{{Verbs: []auth.Verb{"*"}, Channel: "elsewhere"}}, 1, status.PermissionDenied},
		"caller": {[]auth.Right{{Verbs: []auth.Verb{"call"}, Name: "add"}}, 1, status.OK},
		"admin":  {[]auth.Right{{Verbs: []auth.Verb{"*", "administer"}}}, 2, status.OK},
		"own":    {nil, 2, status.OK},
	} {
		srv, err := plexus.Listen(path(t), &plexus.ListenOptions{Tokens: g.verifier})
		must(t, err)
		_, err = plexus.Handle(srv, "add", func(_ context.Context, in int) (int, error) { return in, nil })
		must(t, err)
		other, err := plexus.Dial(t.Context(), srv.Endpoints()[0], nil)
		must(t, err)
		var o plexus.DialOptions
		if c.rights != nil {
			o.Token = token.Hold(g.token(name, token.Terms{Rights: c.rights}))
		}
		cl, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &o)
		must(t, err)
		all := cl.Channel("")
		var list operation.MemberList
		must(t, all.Operate(t.Context(), operation.Members, operation.Place{}, &list))
		if len(list.Members) != c.sees {
			t.Errorf("%s sees %d members, not %d", name, len(list.Members), c.sees)
		}
		var x operation.Exploration
		if err := all.Operate(t.Context(), operation.Explore, operation.Query{}, &x); status.CodeOf(err) != c.explore || err == nil && len(x.Methods) != 1 {
			t.Errorf("%s: %v, %+v", name, err, x)
		}
		must(t, cl.Close())
		must(t, other.Close())
		must(t, srv.Close())
	}
}

// A session ends with its token: when it expires, and when it is revoked. A client that
// renews its token comes back; one that cannot is told why and does not try for ever.
func TestTokenEnds(t *testing.T) {
	g := newIssuing(t)
	srv := serve(t, path(t), plexus.ListenOptions{Tokens: g.verifier})
	var present atomic.Pointer[token.Token]
	present.Store(g.token("alice", token.Terms{NotAfter: time.Now().Add(2 * time.Second)}))
	first := present.Load()
	states := make(chan client.State, 64)
	c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{
		Token:     token.HoldFrom(func() (*token.Token, error) { return present.Load(), nil }),
		Reconnect: &client.Reconnect{MaxDelay: 20 * time.Millisecond, OnState: func(s client.State) { states <- s }},
	})
	must(t, err)
	defer c.Close()
	await := func(p client.Phase) client.State {
		t.Helper()
		for {
			select {
			case s := <-states:
				if s.Phase == p {
					return s
				}
			case <-time.After(20 * time.Second):
				t.Fatal("never", p)
			}
		}
	}
	await(client.Connected)
	second := g.token("alice", token.Terms{NotAfter: time.Now().Add(time.Hour)})
	present.Store(second)
	if s := await(client.Disconnected); status.CodeOf(s.Err) != status.Unauthenticated {
		t.Fatal(s.Err)
	}
	if time.Now().Before(first.Claims().NotAfter) {
		t.Fatal("before its time")
	}
	await(client.Connected)
	g.trust.Revoked.IDs = second.Claims().IDs
	if n := g.verifier.SetTrust(g.trust); n != 1 {
		t.Fatal(n)
	}
	if s := await(client.Disconnected); status.CodeOf(s.Err) != status.Unauthenticated || !strings.Contains(s.Err.Error(), "revoked") {
		t.Fatal(s.Err)
	}
	if s := await(client.Ended); status.CodeOf(s.Err) != status.Unauthenticated {
		t.Fatal(s.Err)
	}
	refused(t, srv.Endpoints()[0], plexus.DialOptions{Token: token.Hold(first)}, status.Unauthenticated, "expired")
}

// A secret that is replaced ends the sessions that have proved the old one, not before.
func TestSecretReplaced(t *testing.T) {
	old, present := []byte("old 0123456789abcdef"), []byte("new 0123456789abcdef")
	shared, err := auth.Secret(old, nil)
	must(t, err)
	srv := serve(t, "tcp://127.0.0.1:0", plexus.ListenOptions{SharedSecret: shared})
	c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{Secret: old})
	must(t, err)
	defer c.Close()
	_, err = shared.Replace(present, &auth.SecretOptions{Previous: [][]byte{old}})
	must(t, err)
	d, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{Secret: present})
	must(t, err)
	defer d.Close()
	identity(t, c)
	if n, err := shared.Replace(present, nil); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	<-c.Done()
	if err := c.Err(); status.CodeOf(err) != status.Unauthenticated || !strings.Contains(err.Error(), "replaced") {
		t.Fatal(err)
	}
	identity(t, d)
	refused(t, srv.Endpoints()[0], plexus.DialOptions{Secret: old}, status.Unauthenticated, "wrong")
}

// An empty secret is a mistake wherever it is given.
func TestEmptySecret(t *testing.T) {
	_, err := plexus.Listen(path(t), &plexus.ListenOptions{Secret: []byte{}})
	if status.CodeOf(err) != status.InvalidArgument {
		t.Fatal(err)
	}
	refused(t, path(t), plexus.DialOptions{Secret: []byte{}}, status.InvalidArgument, "empty")
	shared, err := auth.Secret([]byte("0123456789abcdef"), nil)
	must(t, err)
	_, err = plexus.Listen(path(t), &plexus.ListenOptions{Secret: []byte("0123456789abcdef"), SharedSecret: shared})
	if status.CodeOf(err) != status.InvalidArgument {
		t.Fatal(err)
	}
}

// What is refused is one line of the server's log, whichever way it was tried.
func TestRefusedOnce(t *testing.T) {
	g, other := newIssuing(t), newIssuing(t)
	var out lines
	srv := serve(t, "tcp://127.0.0.1:0", plexus.ListenOptions{Secret: []byte("0123456789abcdef"), Tokens: g.verifier, Log: out.log()})
	address := srv.Endpoints()[0]
	want := 0
	for name, o := range map[string]plexus.DialOptions{
		"wrong secret": {Secret: []byte("wrong wrong wrong"), Token: token.Hold(g.token("alice", token.Terms{}))},
		"wrong issuer": {Secret: []byte("0123456789abcdef"), Token: token.Hold(other.token("alice", token.Terms{}))},
		"expired":      {Secret: []byte("0123456789abcdef"), Token: token.Hold(g.token("alice", token.Terms{NotAfter: time.Now().Add(-time.Hour)}))},
	} {
		refused(t, address, o, status.Unauthenticated, "")
		want++
		waitFor(t, func() bool { return out.count("connection refused") >= want })
		if n := out.count("connection refused"); n != want {
			t.Fatalf("%s: %d lines", name, n)
		}
	}
}

// waitFor waits for what another goroutine is about to do.
func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("it never happened")
		}
	}
}

// A certificate that names nobody is good for the TLS handshake, and nothing more.
func TestNamelessCertificate(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	clientTLS.Certificates = serverTLS.Certificates
	both := serverTLS.Clone()
	both.ClientCAs, both.ClientAuth = clientTLS.RootCAs, tls.RequireAndVerifyClientCert
	srv := serve(t, "tls://127.0.0.1:0", plexus.ListenOptions{TLS: both})
	c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{TLS: clientTLS})
	must(t, err)
	defer c.Close()
	if id := identity(t, c); id != "anonymous" {
		t.Fatal(id)
	}
	var o plexus.DialOptions
	o.TLS = clientTLS
	o.Session.Auth = auth.Chain{Mechanisms: []auth.Mechanism{auth.Certificates()}, Floor: "tls"}
	refused(t, srv.Endpoints()[0], o, status.Unauthenticated, "this client insists on a TLS certificate")
}
