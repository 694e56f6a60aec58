// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The whole suite, with and without TLS.
func TestSuite(t *testing.T) {
	conf := certificate(t)
	abilities := []transporttest.Ability{
		transporttest.Ready, transporttest.Interrupt, transporttest.RemoteAddress, transporttest.Batch,
	}
	for scheme, more := range map[string][]transporttest.Ability{
		"ws": nil, "wss": {transporttest.ChannelBinding, transporttest.Certificates},
	} {
		t.Run(scheme, func(t *testing.T) {
			transporttest.Test(t, transporttest.Factory{
				Transport: driver(t, Config{}),
				Endpoint:  func(t testing.TB) endpoint.Endpoint { return parse(t, scheme+"://localhost:0/plexus") },
				Options: func(testing.TB) (listen, dial *transport.Options) {
					return &transport.Options{TLS: conf}, &transport.Options{TLS: conf}
				},
				Abilities:     append(more, abilities...),
				NoAllocations: scheme == "ws", // crypto/tls allocates
				ResetOnClose:  true,
			})
		})
	}
}

func driver(t testing.TB, cfg Config) *Transport {
	t.Helper()
	d, err := New(socket.TCP(), cfg)
	check(t, err)
	return d
}

func parse(t testing.TB, address string) endpoint.Endpoint {
	t.Helper()
	ep, err := endpoint.Parse(address)
	check(t, err)
	return ep
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listen binds a driver for the length of the test.
func listen(t testing.TB, d *Transport, address string, opts *transport.Options) transport.Listener {
	t.Helper()
	l, err := d.Listen(t.Context(), parse(t, address), opts)
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	return l
}

// certificate is a configuration for both ends.
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	check(t, err)
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// Both ends of a wss connection have the same binding, and TLS 1.3 whatever the options say.
func TestSecure(t *testing.T) {
	conf := certificate(t)
	opts := &transport.Options{TLS: conf}
	d := driver(t, Config{})
	l := listen(t, d, "wss://localhost:0/", opts)
	a, err := d.Dial(t.Context(), l.Endpoint(), opts)
	check(t, err)
	defer a.Close()
	b, err := l.Accept()
	check(t, err)
	defer b.Close()
	one, err := a.(transport.Binder).ChannelBinding()
	check(t, err)
	two, err := b.(transport.Binder).ChannelBinding()
	check(t, err)
	if string(one) != string(two) || len(one) != 32 {
		t.Errorf("bindings %x and %x", one, two)
	}
	if v := b.(transport.Certifier).TLSState().Version; v != tls.VersionTLS13 {
		t.Errorf("TLS version %x", v)
	}
	old := conf.Clone()
	old.MaxVersion = tls.VersionTLS12
	if c, err := tls.Dial("tcp", l.Endpoint().Address(), old); err == nil {
		c.Close()
		t.Error("TLS 1.2 is taken")
	}
	if _, err := d.Listen(t.Context(), parse(t, "wss://localhost:0/"), nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a wss listener without a certificate: %v", err)
	}
}

// What a dialler is told of listeners that are none of Plexus.
func TestDialRefused(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		is      error
		says    string
	}{
		"denied":         {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "go away", http.StatusForbidden) }, transport.ErrDenied, "go away"},
		"unauthorized":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, transport.ErrDenied, "401"},
		"elsewhere":      {http.NotFound, nil, "no Plexus is at this path"},
		"redirect":       {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, nil, "302"},
		"a page":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }, nil, "200"},
		"endless header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, nil, "header"},
		"another socket": {foreignSocket, nil, "does not speak plexus.v1"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(c.handler)
			defer srv.Close()
			ep := parse(t, "ws"+strings.TrimPrefix(srv.URL, "http")+"/plexus")
			conn, err := driver(t, Config{}).Dial(t.Context(), ep, nil)
			if err == nil {
				conn.Close()
				t.Fatal("a connection")
			}
			var te *transport.Error
			if !errors.As(err, &te) || te.Endpoint != ep.String() || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if len(err.Error()) > 500 {
				t.Errorf("%d bytes of error", len(err.Error()))
			}
		})
	}
}

// foreignSocket accepts an upgrade and names no subprotocol.
func foreignSocket(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Sec-WebSocket-Protocol")
	if c, err := acceptAny(w, r); err == nil {
		_ = c.CloseNow()
	}
}

// A listener that takes the connection and says nothing does not hold a dialler.
func TestDialSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	_, err = driver(t, Config{UpgradeTimeout: 20 * time.Millisecond}).Dial(t.Context(), parse(t, "ws://"+l.Addr().String()+"/"), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// What is no origin or host is refused when the driver is made.
func TestConfig(t *testing.T) {
	for _, o := range []string{"", "*", "app.example", "https://", "https://*.example", "https://app.example/", "https://app.example/x", "https://u@app.example", "null", "https://a?b", "https://a#"} {
		if _, err := New(socket.TCP(), Config{Origins: []string{o}}); err == nil {
			t.Errorf("origin %q is taken", o)
		}
	}
	for _, h := range []string{"", "*", "http://hub", "a b", "u@hub"} {
		if _, err := New(socket.TCP(), Config{Hosts: []string{h}}); err == nil {
			t.Errorf("host %q is taken", h)
		}
	}
}

// Which headers are let in.
func TestAllowed(t *testing.T) {
	a, err := newAllowed([]string{"https://App.example:443", "http://127.0.0.1:8080"}, []string{"Hub.example", "proxy.example:8443"})
	check(t, err)
	for _, c := range []struct {
		headers []string
		want    bool
	}{
		{nil, true},
		{[]string{"https://app.example"}, true},
		{[]string{"https://APP.example:443"}, true},
		{[]string{"http://127.0.0.1:8080"}, true},
		{[]string{"http://127.0.0.1"}, false},
		{[]string{"http://app.example"}, false},
		{[]string{"https://app.example:444"}, false},
		{[]string{"https://app.example.evil"}, false},
		{[]string{"https://evil.app.example"}, false},
		{[]string{"https://app.example", "https://evil.example"}, false},
		{[]string{"null"}, false},
		{[]string{""}, false},
	} {
		if a.origin(c.headers) != c.want {
			t.Errorf("origin %q: want %v", c.headers, c.want)
		}
	}
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4200}
	for host, want := range map[string]bool{
		"hub.example": true, "hub.example:1": true, "HUB.example.:4200": true, "proxy.example:8443": true, "proxy.example": false,
		"own.example:4200": true, "localhost:4200": true, "127.0.0.1": true, "127.9.9.9:4200": true, "[::1]:4200": true, "192.0.2.7:4200": true,
		"192.0.2.8:4200": false, "evil.example": false, "": false, ":4200": false, "0.0.0.0:4200": false, "localhost.evil.example": false, "[::]:4200": false,
	} {
		if a.host(host, "own.example", local) != want {
			t.Errorf("host %q: want %v", host, want)
		}
	}
	if a.host("0.0.0.0:1", "0.0.0.0", local) {
		t.Error("the address that stands for all is a name")
	}
}
