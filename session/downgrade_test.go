// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// middle stands between two sides and passes on what tamper makes of each frame's payload.
func middle(t *testing.T, tamper func(fromServer bool, kind wire.Kind, payload []byte) []byte) (client, server transport.Conn) {
	t.Helper()
	client, near := mem.Pipe()
	far, server := mem.Pipe()
	pass := func(from, to transport.Conn, fromServer bool) {
		defer to.Close()
		for {
			b, err := from.Recv()
			if err != nil {
				return
			}
			frame := append([]byte(nil), b.Bytes()...)
			b.Release()
			if h, _, payload, err := wire.ParseFrame(frame); err == nil {
				frame = wire.AppendFrame(nil, wire.Header{Kind: h.Kind, Flags: h.Flags}, nil, tamper(fromServer, h.Kind, payload))
			}
			if to.Send(frame) != nil {
				return
			}
		}
	}
	done := make(chan struct{}, 2)
	go func() { pass(near, far, false); done <- struct{}{} }()
	go func() { pass(far, near, true); done <- struct{}{} }()
	t.Cleanup(func() {
		client.Close()
		server.Close()
		near.Close()
		far.Close()
		<-done
		<-done
	})
	return client, server
}

// offering writes other mechanisms into a HELLO.
func offering(t *testing.T, payload []byte, names ...string) []byte {
	t.Helper()
	var h map[string]any
	must(t, json.Unmarshal(payload, &h))
	h["auth"] = names
	out, err := json.Marshal(h)
	must(t, err)
	return out
}

// proofs are a strong and a weak mechanism of both sides, and the issuer of the tokens.
func proofs(t *testing.T) (client, server auth.Chain) {
	t.Helper()
	i, err := token.NewIssuer()
	must(t, err)
	tok, err := i.Issue("alice", token.Terms{Rights: []auth.Right{{Verbs: []auth.Verb{"*"}}}}, time.Now())
	must(t, err)
	s, err := auth.Secret([]byte("0123456789abcdef"), nil)
	must(t, err)
	v := token.NewVerifier(token.Trust{Issuers: []token.PublicKey{i.Public()}})
	return auth.Chain{Mechanisms: []auth.Mechanism{auth.All(s, token.Hold(tok)), s}, Floor: "secret"},
		auth.Chain{Mechanisms: []auth.Mechanism{auth.All(s, v), s}}
}

// Who stands in the middle can take mechanisms out of either list, or put some in: nothing
// weaker than what the sides would have chosen is ever agreed on.
func TestDowngrade(t *testing.T) {
	for name, tamper := range map[string]func(fromServer bool, payload []byte) []byte{
		"server offers less":    func(s bool, p []byte) []byte { return pick(s, p, offering(t, p, "secret")) },
		"server offers nothing": func(s bool, p []byte) []byte { return pick(s, p, offering(t, p, "none")) },
		"server offers peer":    func(s bool, p []byte) []byte { return pick(s, p, offering(t, p, "peer", "none")) },
		"client has less":       func(s bool, p []byte) []byte { return pick(!s, p, offering(t, p, "secret")) },
		"one space more":        func(s bool, p []byte) []byte { return pick(s, p, append(p, ' ')) },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := proofs(t)
			d, a := middle(t, func(fromServer bool, kind wire.Kind, p []byte) []byte {
				if kind != wire.KindHello {
					return p
				}
				return tamper(fromServer, p)
			})
			ds, as, derr, aerr := shake(d, a, &session.Config{Auth: client}, &session.Config{Auth: server})
			if derr == nil || aerr == nil || ds != nil || as != nil {
				t.Fatal("agreed", derr, aerr)
			}
			if c := status.CodeOf(derr); c != status.Unauthenticated {
				t.Fatal(derr)
			}
			t.Log(derr)
		})
	}
	// The middle itself does no harm.
	client, server := proofs(t)
	d, a := middle(t, func(_ bool, _ wire.Kind, p []byte) []byte { return p })
	ds, as, derr, aerr := shake(d, a, &session.Config{Auth: client}, &session.Config{Auth: server})
	if derr != nil || aerr != nil || as.Peer().Identity.Mechanism != "secret+token" {
		t.Fatal(derr, aerr)
	}
	ds.Close()
	as.Close()
	ds.Wait()
	as.Wait()
}

func pick(changed bool, same, other []byte) []byte {
	if changed {
		return other
	}
	return same
}

// A server that sends a client's proof back to it proves nothing, nor does one that says it
// is done.
func TestReflection(t *testing.T) {
	for name, answer := range map[string]func(data string) wire.Auth{
		"the client's own proof": func(data string) wire.Auth { return wire.Auth{Data: decoded(data), Done: true} },
		"nothing":                func(string) wire.Auth { return wire.Auth{Done: true} },
		"zeroes":                 func(string) wire.Auth { return wire.Auth{Data: make([]byte, 32), Done: true} },
	} {
		t.Run(name, func(t *testing.T) {
			d, a := mem.Pipe()
			go func() {
				defer a.Close()
				served(a, answer)
			}()
			_, err := session.Dial(context.Background(), d, &session.Config{Auth: chain(t, "0123456789abcdef")})
			if c := status.CodeOf(err); c != status.Unauthenticated && c != status.Protocol {
				t.Fatal(err)
			}
		})
	}
}

// served plays a server without the secret.
func served(a transport.Conn, answer func(data string) wire.Auth) {
	for {
		b, err := a.Recv()
		if err != nil {
			return
		}
		h, _, payload, err := wire.ParseFrame(b.Bytes())
		payload = append([]byte(nil), payload...)
		b.Release()
		switch {
		case err == nil && h.Kind == wire.KindHello:
			if a.Send(helloWith(func(h *wire.Hello) { h.Auth = []string{"secret"} })) != nil {
				return
			}
		case err == nil && h.Kind == wire.KindAuth:
			var in struct{ Data string }
			if json.Unmarshal(payload, &in) != nil {
				return
			}
			out := answer(in.Data)
			body, _ := wire.AppendJSON(nil, &out)
			if a.Send(frame(wire.KindAuth, string(body))) != nil {
				return
			}
		}
	}
}

func decoded(data string) []byte {
	b, _ := base64.StdEncoding.DecodeString(data)
	return b
}

// A conversation that was recorded, a token in it, is worth nothing to a server that was
// started anew, nor to the same one.
func TestReplayOfTokens(t *testing.T) {
	client, server := proofs(t)
	d, a := mem.Pipe()
	rec := &recorder{Conn: d}
	ds, as, derr, aerr := shake(rec, a, &session.Config{Auth: client}, &session.Config{Auth: server})
	must(t, derr)
	must(t, aerr)
	ds.Close()
	as.Wait()
	for range 5 {
		d, a := mem.Pipe()
		refused := make(chan error, 1)
		go func() {
			_, err := session.Accept(context.Background(), a, &session.Config{Auth: server})
			refused <- err
		}()
		for _, p := range rec.sent[:2] {
			must(t, d.Send(p))
		}
		wantCode(t, <-refused, status.Unauthenticated)
		d.Close()
	}
	ds.Wait()
}
