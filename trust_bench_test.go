// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"crypto/tls"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
)

// BenchmarkHandshake is what it costs to connect and prove who one is, both sides of it: one
// after the other, over a unix socket and over TLS on the loopback.
func BenchmarkHandshake(b *testing.B) {
	t := &testing.T{} // for helpers that make certificates and tokens; they do not fail
	secret := []byte("0123456789abcdef0123456789abcdef")
	i, err := token.NewIssuer()
	must(b, err)
	verifier := token.NewVerifier(token.Trust{Issuers: []token.PublicKey{i.Public()}})
	tok, err := i.Issue("alice", token.Terms{Rights: []auth.Right{{Verbs: []auth.Verb{"*"}}}}, time.Now())
	must(b, err)
	narrow := tok
	for range 2 {
		narrow, err = narrow.Attenuate(token.Terms{NotAfter: time.Now().Add(time.Hour)})
		must(b, err)
	}
	serverTLS, clientTLS := certificate(t)
	mutual, certified := serverTLS.Clone(), clientTLS.Clone()
	mutual.ClientCAs, mutual.ClientAuth, certified.Certificates = clientTLS.RootCAs, tls.RequireAndVerifyClientCert, serverTLS.Certificates
	none := auth.Chain{Mechanisms: []auth.Mechanism{auth.None()}}
	var bare plexus.ListenOptions
	bare.Session.Auth = none
	for _, c := range []struct {
		name, address string
		listen        plexus.ListenOptions
		dial          plexus.DialOptions
	}{
		{"unix-none", path(b), bare, plexus.DialOptions{}},
		{"unix-peer", path(b), plexus.ListenOptions{}, plexus.DialOptions{}},
		{"unix-secret", path(b), plexus.ListenOptions{Secret: secret}, plexus.DialOptions{Secret: secret}},
		{"unix-token", path(b), plexus.ListenOptions{Tokens: verifier}, plexus.DialOptions{Token: token.Hold(tok)}},
		{"unix-token-narrowed-twice", path(b), plexus.ListenOptions{Tokens: verifier}, plexus.DialOptions{Token: token.Hold(narrow)}},
		{"tcp-none", "tcp://127.0.0.1:0", plexus.ListenOptions{}, plexus.DialOptions{}},
		{"tls", "tls://127.0.0.1:0", plexus.ListenOptions{TLS: serverTLS}, plexus.DialOptions{TLS: clientTLS}},
		{"tls-mutual", "tls://127.0.0.1:0", plexus.ListenOptions{TLS: mutual}, plexus.DialOptions{TLS: certified}},
	} {
		b.Run(c.name, func(b *testing.B) {
			srv, err := plexus.Listen(c.address, &c.listen)
			must(b, err)
			defer srv.Close()
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				began := time.Now()
				cl, err := plexus.Dial(b.Context(), srv.Endpoints()[0], &c.dial)
				must(b, err)
				took = append(took, time.Since(began))
				cl.Close()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}
