// SPDX-License-Identifier: Apache-2.0

package session_test

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
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/wire"
)

// childEnv makes the test binary one of two processes that talk: "listen" or "dial", the
// address, its heartbeat and its grace.
const childEnv = "PLEXUS_SESSION_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(childEnv); args != "" {
		os.Exit(child(args))
	}
	leak.Main(m)
}

// slack is what a busy machine may add to a limit in a test.
const slack = 2 * time.Second

// target serves a route with functions.
type target struct {
	call    func(c *session.Call)
	receive func(s *session.Session, f *session.Frame)
}

func (t target) Call(c *session.Call) {
	if t.call == nil {
		c.Fail(status.UnknownMethod)
		return
	}
	t.call(c)
}

func (t target) Receive(s *session.Session, f *session.Frame) {
	if t.receive != nil {
		t.receive(s, f)
	}
}

// methods is a Router of targets by name.
type methods map[string]target

func (m methods) Bind(_ *session.Session, b wire.Bind) (session.Target, error) {
	t, ok := m[b.Name]
	if !ok {
		return nil, status.Errorf(status.UnknownMethod, "no method %q", b.Name)
	}
	return &t, nil
}

func echo(c *session.Call) {
	c.Reply(session.Message{Codec: c.Codec, Payload: c.Payload})
}

var echoing = methods{"echo": {call: echo}}

// blocking serves "block", which ends with its context and says so on ended, and "echo".
func blocking(began, ended chan struct{}) methods {
	return methods{"echo": {call: echo}, "block": {call: func(c *session.Call) {
		ctx := c.Context()
		began <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		c.Fail(ctx.Err())
	}}}
}

func method(name string) wire.Bind { return wire.Bind{Class: wire.ClassMethod, Name: name} }
func topic(name string) wire.Bind  { return wire.Bind{Class: wire.ClassTopic, Name: name} }
func event(name string) wire.Bind  { return wire.Bind{Class: wire.ClassEvent, Name: name} }

// bare is a Conn without any optional ability.
type bare struct{ c transport.Conn }

func (b bare) Send(p []byte) error              { return b.c.Send(p) }
func (b bare) Recv() (*transport.Buffer, error) { return b.c.Recv() }
func (b bare) Close() error                     { return b.c.Close() }

// conns are the ways by which the tests connect two sessions.
var conns = map[string]func(t testing.TB) (dialled, accepted transport.Conn){
	"mem":  func(testing.TB) (transport.Conn, transport.Conn) { return mem.Pipe() },
	"unix": unix,
	"tcp":  func(t testing.TB) (transport.Conn, transport.Conn) { return over(t, "tcp://127.0.0.1:0", nil, nil) },
	"tls":  overTLS,
	"bare": func(t testing.TB) (transport.Conn, transport.Conn) {
		d, a := unix(t)
		return bare{d}, bare{a}
	},
}

func unix(t testing.TB) (dialled, accepted transport.Conn) {
	dir, err := os.MkdirTemp("", "plexus") // t.TempDir is too long for a socket
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return over(t, "unix://"+filepath.Join(dir, "s"), nil, nil)
}

func overTLS(t testing.TB) (dialled, accepted transport.Conn) {
	cert, pool := certificate(t)
	return over(t, "tls://127.0.0.1:0",
		&transport.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}, &transport.Options{TLS: &tls.Config{RootCAs: pool}})
}

func over(t testing.TB, address string, listen, dial *transport.Options) (dialled, accepted transport.Conn) {
	set := transport.NewSet(socket.New())
	ep, err := endpoint.Parse(address)
	must(t, err)
	l, err := set.Listen(t.Context(), ep, listen)
	must(t, err)
	defer l.Close()
	got := make(chan transport.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil && dial != nil {
			// TLS shakes hands as soon as somebody reads or sends.
			c.(transport.Binder).ChannelBinding()
		}
		got <- c
	}()
	d, err := set.Dial(t.Context(), l.Endpoint(), dial)
	must(t, err)
	return d, <-got
}

// certificate makes a self-signed one for localhost and a pool that trusts it.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode fails the test unless err has the code and a sentence for people.
func wantCode(t testing.TB, err error, code status.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("got %v, want %v", err, code)
	}
	if status.Convert(err).Message == "" {
		t.Fatalf("%v has no sentence", err)
	}
}

// patienceTime is how long something may take that should not hang.
const patienceTime = 20 * time.Second

// patience returns a context that ends what hangs.
func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patienceTime)
	t.Cleanup(cancel)
	return ctx
}

// shake shakes hands over two ends of a connection.
func shake(d, a transport.Conn, dc, ac *session.Config) (dialled, accepted *session.Session, derr, aerr error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		accepted, aerr = session.Accept(context.Background(), a, ac)
	}()
	dialled, derr = session.Dial(context.Background(), d, dc)
	<-done
	return dialled, accepted, derr, aerr
}

// pair shakes hands over two ends of a connection and closes both sessions at the end.
func pair(t testing.TB, d, a transport.Conn, dc, ac *session.Config) (dialled, accepted *session.Session) {
	t.Helper()
	ds, as, err, err2 := shake(d, a, dc, ac)
	must(t, errors.Join(err, err2))
	t.Cleanup(func() {
		ds.Close()
		as.Close()
		ds.Wait()
		as.Wait()
	})
	return ds, as
}

// memPair is pair over a perfect line in memory.
func memPair(t testing.TB, dc, ac *session.Config) (dialled, accepted *session.Session) {
	t.Helper()
	d, a := mem.Pipe()
	return pair(t, d, a, dc, ac)
}

func eachConn(t *testing.T, f func(t *testing.T, d, a transport.Conn)) {
	for name, make := range conns {
		t.Run(name, func(t *testing.T) {
			d, a := make(t)
			f(t, d, a)
		})
	}
}

// slowPair returns the dialling session over a line of which the test can stop the
// direction from it.
func slowPair(t testing.TB, cfg *session.Config) (*session.Session, *mem.Conn) {
	t.Helper()
	d, a := mem.Pipe()
	ds, _ := pair(t, d, a, cfg, cfg)
	return ds, d
}

// stall stops what goes out of c, or lets it go on.
func stall(c *mem.Conn, stop bool) { c.SetFaults(mem.Faults{Stall: stop}) }
