// SPDX-License-Identifier: Apache-2.0

package plexus_test

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
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/stdio"
)

// certificate makes one for loopback and the roots that trust it.
func certificate(t testing.TB) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

// callsBack makes a call whose handler calls back.
func callsBack(t *testing.T, c *plexus.Client) {
	t.Helper()
	_, err := plexus.Handle(c, "half", func(_ context.Context, n int) (int, error) { return n / 2, nil })
	must(t, err)
	q, err := plexus.Call[int](t.Context(), c, "quarter", 400)
	must(t, err)
	if q != 100 {
		t.Fatal(q)
	}
}

// works makes a call, a nested call back, and a stream.
func works(t *testing.T, srv *plexus.Server, c *plexus.Client) {
	t.Helper()
	_, err := plexus.Handle(srv, "quarter", func(ctx context.Context, n int) (int, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		h, err := plexus.Call[int](ctx, srv.Peer(e.Sender), "half", n)
		return h / 2, err
	})
	must(t, err)
	callsBack(t, c)
	_, err = plexus.HandleStream(srv, "big", func(_ context.Context, n int, send func([]byte) error) error {
		for range n {
			if err := send(make([]byte, 100_000)); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, err)
	got := 0
	for b, err := range plexus.Stream[[]byte](t.Context(), c, "big", 20) {
		must(t, err)
		got += len(b)
	}
	if got != 2_000_000 {
		t.Fatalf("%d bytes", got)
	}
}

func TestTLS(t *testing.T) {
	server, client := certificate(t)
	srv, c := connect(t, "tls://127.0.0.1:0", &plexus.ListenOptions{TLS: server}, &plexus.DialOptions{TLS: client})
	works(t, srv, c)
	if _, err := plexus.Dial(t.Context(), srv.Endpoints()[0], nil); err == nil {
		t.Fatal("a certificate that nobody vouches for was taken")
	}
	secret := []byte("sixteen bytes and a few")
	srv, c = connect(t, "tls://127.0.0.1:0", &plexus.ListenOptions{TLS: server, Secret: secret}, &plexus.DialOptions{TLS: client, Secret: secret})
	works(t, srv, c)
}

func TestDatagrams(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("unixgram is not on Windows")
	}
	srv, c := connect(t, strings.Replace(path(t), "unix:", "unixgram:", 1), nil, nil)
	works(t, srv, c)
}

// A bare name is a socket in the user's own directory; on Linux memory is shared there with
// whoever can, and others are served as well.
func TestBareName(t *testing.T) {
	dir, err := os.MkdirTemp("", "plexus")
	must(t, err)
	defer os.RemoveAll(dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	srv, err := plexus.Listen("demo", nil)
	must(t, err)
	defer srv.Close()
	scheme := "unix"
	if runtime.GOOS == "linux" {
		scheme = "shm"
	}
	if e := srv.Endpoints()[0]; !strings.HasPrefix(e, scheme+"://"+dir) {
		t.Fatal(e)
	}
	c, err := plexus.Dial(t.Context(), "demo", nil)
	must(t, err)
	defer c.Close()
	works(t, srv, c)
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil && !strings.Contains(string(maps), "memfd:plexus-ring") {
		t.Error("no memory is shared")
	}
	plain, err := plexus.Dial(t.Context(), "unix://"+dir+"/plexus/demo.sock", nil)
	must(t, err)
	defer plain.Close()
	callsBack(t, plain)
	if _, err := plexus.Listen("demo", nil); !errors.Is(err, status.AlreadyExists) {
		t.Fatal(err)
	}
}

const childRole = "PLEXUS_TEST_CHILD"

// TestChildOverStdio talks to a child process over its standard streams. The child is this
// test binary, which serves when it is asked to.
func TestChildOverStdio(t *testing.T) {
	if os.Getenv(childRole) != "" {
		child()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=TestChildOverStdio$")
	cmd.Env = append(os.Environ(), childRole+"=1")
	cmd.Stderr = os.Stderr
	c := client.New(client.Config{Dial: func(context.Context) (transport.Conn, error) { return stdio.Command(cmd) }})
	defer c.Close()
	sum, err := plexus.Call[Sum](t.Context(), c, "add", Add{20, 22})
	must(t, err)
	if sum.Sum != 42 {
		t.Fatal(sum)
	}
}

// child serves on standard input and output until the parent closes them.
func child() {
	srv, err := plexus.NewServer(nil)
	if err == nil {
		_, err = plexus.Handle(srv, "add", add)
	}
	if err == nil {
		err = srv.Bind(context.Background(), "stdio:")
	}
	if err != nil {
		panic(err)
	}
	for len(srv.Peers()) == 0 {
		runtime.Gosched()
	}
	<-srv.Peers()[0].Conversation().Done()
	srv.Close()
	os.Exit(0) // the leak check is the parent's
}
