// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// TestStreams: the plain connections follow the same rules.
func TestStreams(t *testing.T) {
	listen, dial := tlsOptions(t)
	for _, ep := range []endpoint.Endpoint{path("unix")(t), parse(t, "tcp://127.0.0.1:0"), parse(t, "tls://localhost:0")} {
		t.Run(ep.Scheme(), func(t *testing.T) {
			l, err := socket.New().ListenStream(t.Context(), ep, listen)
			check(t, err)
			defer l.Close()
			real := l.(interface{ Endpoint() endpoint.Endpoint }).Endpoint()
			if _, err := socket.New().ListenStream(t.Context(), real, listen); !errors.Is(err, transport.ErrInUse) {
				t.Errorf("%v instead of ErrInUse", err)
			}
			done := make(chan error, 1)
			go func() { done <- echoStream(l) }()
			c, err := socket.New().DialStream(t.Context(), real, dial)
			check(t, err)
			defer c.Close()
			_, err = io.WriteString(c, "hello")
			check(t, err)
			got := make([]byte, 5)
			_, err = io.ReadFull(c, got)
			check(t, err)
			if string(got) != "hello" {
				t.Errorf("%q", got)
			}
			if _, err := socket.PeerCredentials(c); (err == nil) != (ep.Scheme() == "unix" && hasCredentials) {
				t.Errorf("credentials: %v", err)
			}
			check(t, c.Close())
			check(t, <-done)
		})
	}
	for _, scheme := range []string{"unixpacket", "unixgram"} {
		if _, err := socket.New().ListenStream(t.Context(), path(scheme)(t), nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", scheme, err)
		}
		if _, err := socket.New().DialStream(t.Context(), path(scheme)(t), nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func echoStream(l net.Listener) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.Copy(c, c)
	return err
}

// TestWarn: who listens wider than this machine is told so.
func TestWarn(t *testing.T) {
	listen, _ := tlsOptions(t)
	for _, c := range []struct{ address, want string }{
		{"tcp://127.0.0.1:0", ""},
		{"tcp://[::1]:0", ""},
		{"tcp://localhost:0", ""},
		{"tcp://0.0.0.0:0", "other machines can reach"},
		{"tcp://[::]:0", "other machines can reach"},
		{"tls://0.0.0.0:0", "client certificates"},
	} {
		var said []string
		o := &transport.Options{TLS: listen.TLS, Warn: func(s string) { said = append(said, s) }}
		l, err := socket.New().Listen(t.Context(), parse(t, c.address), o)
		check(t, err)
		check(t, l.Close())
		if got := strings.Join(said, "|"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: said %q", c.address, got)
		}
	}
}

// TestTLSNeedsCertificate and a version of at least 1.3.
func TestTLSNeedsCertificate(t *testing.T) {
	_, err := socket.TLS().Listen(t.Context(), parse(t, "tls://localhost:0"), nil)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatal(err)
	}
	l, ep := listenTLS(t, nil)
	go func() { _, _ = accepted(l) }()
	conf := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}
	if c, err := tls.Dial("tcp", ep.Address(), conf); err == nil {
		_ = c.Close()
		t.Fatal("TLS 1.2 is accepted")
	}
	if c, err := socket.TLS().Dial(t.Context(), ep, nil); err == nil {
		_ = c.Close()
		t.Fatal("an unknown certificate is accepted")
	}
}

func listenTLS(t *testing.T, auth func(*tls.Config)) (transport.Listener, endpoint.Endpoint) {
	listen, _ := tlsOptions(t)
	if auth != nil {
		auth(listen.TLS)
	}
	l, err := socket.TLS().Listen(t.Context(), parse(t, "tls://localhost:0"), listen)
	check(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Endpoint()
}

// accepted accepts one connection after the other and shakes hands.
func accepted(l transport.Listener) (transport.Conn, error) {
	for {
		c, err := l.Accept()
		if err != nil {
			return nil, err
		}
		if _, err := c.(transport.Binder).ChannelBinding(); err == nil {
			return c, nil
		}
		_ = c.Close()
	}
}

// TestMutualTLS: both ends see a certificate and the same channel binding, which is
// another one for another connection.
func TestMutualTLS(t *testing.T) {
	cert, pool := certificate(t)
	listen := &transport.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}}
	dial := &transport.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}}
	l, err := socket.TLS().Listen(t.Context(), parse(t, "tls://localhost:0"), listen)
	check(t, err)
	defer l.Close()
	var last []byte
	for range 2 {
		other := make(chan transport.Conn, 1)
		go func() {
			c, err := accepted(l)
			if err != nil {
				t.Error(err)
			}
			other <- c
		}()
		c, err := socket.TLS().Dial(t.Context(), l.Endpoint(), dial)
		check(t, err)
		s := <-other
		mine, err := c.(transport.Binder).ChannelBinding()
		check(t, err)
		theirs, err := s.(transport.Binder).ChannelBinding()
		check(t, err)
		if len(mine) != 32 || !bytes.Equal(mine, theirs) || bytes.Equal(mine, last) {
			t.Errorf("channel bindings %x, %x, before %x", mine, theirs, last)
		}
		last = mine
		for _, x := range []transport.Conn{c, s} {
			if st := x.(transport.Certifier).TLSState(); len(st.PeerCertificates) != 1 || st.Version < tls.VersionTLS13 {
				t.Errorf("%d certificates, version %x", len(st.PeerCertificates), st.Version)
			}
			check(t, x.Close())
		}
	}
}

// TestTLSSilentPeer: a peer that never shakes hands holds up neither Accept nor Close nor
// Interrupt.
func TestTLSSilentPeer(t *testing.T) {
	l, ep := listenTLS(t, nil)
	for range 20 {
		silent, err := net.Dial("tcp", ep.Address())
		check(t, err)
		c, err := l.Accept()
		check(t, err)
		done := make(chan error, 1)
		go func() { _, err := c.Recv(); done <- err }()
		c.(transport.Interrupter).Interrupt()
		if err := <-done; !errors.Is(err, transport.ErrInterrupted) {
			t.Fatalf("%v instead of ErrInterrupted", err)
		}
		go func() { _, err := c.Recv(); done <- err }()
		check(t, c.Close())
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Fatalf("%v instead of net.ErrClosed", err)
		}
		check(t, silent.Close())
	}
}

// TestTLSWrongProtocol: another protocol ends the connection with an error.
func TestTLSWrongProtocol(t *testing.T) {
	l, ep := listenTLS(t, nil)
	other, err := net.Dial("tcp", ep.Address())
	check(t, err)
	defer other.Close()
	_, err = io.WriteString(other, "GET / HTTP/1.1\r\n\r\n")
	check(t, err)
	c, err := l.Accept()
	check(t, err)
	defer c.Close()
	if _, err := c.Recv(); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Fatal(err)
	}
}

// TestTLSDialGivesUp: a listener that never answers is left with the context.
func TestTLSDialGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = socket.TLS().Dial(ctx, parse(t, "tls://"+l.Addr().String()), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// TestBuffers: the sizes reach the socket, so that less or more is under way.
func TestBuffers(t *testing.T) {
	small, large := taken(t, 8<<10), taken(t, 1<<20)
	if small*2 > large {
		t.Errorf("TrySend took %d bytes with small buffers, %d with large ones", small, large)
	}
}

// taken is how much TrySend takes when nobody receives.
func taken(t *testing.T, buffer int) int {
	o := &transport.Options{SendBuffer: buffer, RecvBuffer: buffer}
	l, err := socket.Unix().Listen(t.Context(), path("unix")(t), o)
	check(t, err)
	defer l.Close()
	c, err := socket.Unix().Dial(t.Context(), l.Endpoint(), o)
	check(t, err)
	defer c.Close()
	try, ok := c.(transport.TrySender)
	if !ok {
		t.Skip("no TrySend here")
	}
	n, err := try.TrySend(make([]byte, 8<<20))
	check(t, err)
	return n
}
