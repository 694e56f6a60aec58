// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"strings"
	"testing"
)

func certificate(cn string, dns ...string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: dns}
}

func verified(c *x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
}

func TestNoneNames(t *testing.T) {
	for _, c := range []struct {
		peer Peer
		want string
	}{
		{Peer{}, "anonymous"},
		{Peer{RemoteAddress: "tcp://[::1]:1"}, "anonymous"},
		{unixPeer(1000, 1, 1), "uid:1000"},
		{windowsPeer("S-1-5-18"), "sid:S-1-5-18"},
		{windowsPeer(""), "anonymous"},
		{Peer{TLS: &tls.ConnectionState{}}, "anonymous"},
		{Peer{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate("root")}}}, "anonymous"},
		{Peer{TLS: verified(certificate("backup", "b.example"))}, "dns:b.example"},
		{Peer{TLS: verified(certificate("backup"))}, "cn:backup"},
		{Peer{TLS: verified(certificate("", "b.example"))}, "dns:b.example"},
		{Peer{TLS: verified(certificate(""))}, "anonymous"},
		{Peer{TLS: verified(certificate("a\n2026 INFO admin logged in"))}, `cn:"a\n2026 INFO admin logged in"`},
		{Peer{Proved: "noise:0123"}, "noise:0123"},
		{Peer{Proved: "noise:0123", TLS: verified(certificate("backup"))}, "cn:backup"},
		{Peer{Proved: "noise:\n"}, `"noise:\n"`},
		{Peer{TLS: verified(certificate("Grüße"))}, "cn:Grüße"},
		{Peer{TLS: verified(certificate("\u202eabc"))}, `cn:"\u202eabc"`},
		{Peer{TLS: verified(certificate(`"a"`))}, `cn:"\"a\""`},
	} {
		client, server := None().Client(Binding{Peer: c.peer}), None().Server(Binding{Peer: c.peer})
		if err := converse(client, server); err != nil {
			t.Fatal(err)
		}
		if id := server.Identity(); id.Name != c.want || id.Mechanism != "none" {
			t.Errorf("%+v: %v", c.peer, id)
		}
	}
}

func TestUnknownIsNotRoot(t *testing.T) {
	e := None().Server(Binding{})
	before := e.Identity()
	e.Step(nil)
	for _, id := range []Identity{before, e.Identity(), nobody()} {
		if id.UID != -1 || id.GID != -1 || id.HasCredentials {
			t.Errorf("%+v", id)
		}
	}
}

func TestIdentityText(t *testing.T) {
	p := unixPeer(1000, 100, 4711)
	p.RemoteAddress = "unix:///tmp/x\nINFO"
	id := known("peer", p)
	if got := id.String(); got != `uid:1000 (peer, pid 4711, "unix:///tmp/x\nINFO")` {
		t.Error(got)
	}
	if got := nobody().String() + (Identity{}).String(); got != "unauthenticatedunauthenticated" {
		t.Error(got)
	}
	var buf bytes.Buffer
	slog.New(slog.NewTextHandler(&buf, nil)).Info("in", "who", id, "win", known("peer", windowsPeer("S-1")))
	for _, want := range []string{"who.name=uid:1000 who.mechanism=peer who.uid=1000 who.gid=100 who.pid=4711 who.remote=", "win.sid=S-1"} {
		if !strings.Contains(buf.String(), want) {
			t.Errorf("%s lacks %s", buf.String(), want)
		}
	}
	if strings.Count(buf.String(), "\n") != 1 || strings.Contains(buf.String(), "win.uid") {
		t.Error(buf.String())
	}
}

func TestOrigin(t *testing.T) {
	for _, c := range []struct {
		peer Peer
		want string
	}{
		{unixPeer(0, 0, 1), "uid:0"},
		{windowsPeer("S-1-5-18"), "sid:S-1-5-18"},
		{Peer{RemoteAddress: "tcp://192.0.2.1:4711"}, "host:192.0.2.1"},
		{Peer{RemoteAddress: "192.0.2.1:4712"}, "host:192.0.2.1"},
		{Peer{RemoteAddress: "ws://192.0.2.1:4712/path?x=1"}, "host:192.0.2.1"},
		{Peer{RemoteAddress: "tcp://[::ffff:192.0.2.1]:1"}, "host:192.0.2.1"},
		{Peer{RemoteAddress: "tls://[2001:db8::1]:1"}, "host:2001:db8::/64"},
		{Peer{RemoteAddress: "tls://[2001:db8::ffff:2]"}, "host:2001:db8::/64"},
		{Peer{RemoteAddress: "tcp://[fe80::1%eth0]:1"}, "host:fe80::/64"},
		{Peer{RemoteAddress: "unix:///tmp/chosen-by-peer"}, "unknown"},
		{Peer{RemoteAddress: "tcp://example:1"}, "unknown"},
		{Peer{}, "unknown"},
	} {
		if got := c.peer.Origin(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.peer, got, c.want)
		}
	}
}
