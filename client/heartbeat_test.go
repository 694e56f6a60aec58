// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// tee is a Conn that keeps what was received during the handshake.
type tee struct {
	c   transport.Conn
	got bytes.Buffer
}

func (t *tee) Send(p []byte) error { return t.c.Send(p) }
func (t *tee) Close() error        { return t.c.Close() }
func (t *tee) Recv() (*transport.Buffer, error) {
	b, err := t.c.Recv()
	if err == nil && t.got.Len() < 4096 {
		t.got.Write(b.Bytes())
	}
	return b, err
}

// Both ends of tcp have heartbeats of 15 s, and neither of unix, unless they were asked to: what
// each says in its HELLO.
func TestDefaultHeartbeats(t *testing.T) {
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, c := range []struct {
		address string
		beat    time.Duration
		want    string // in the HELLO, "" for nothing
	}{
		{"tcp://127.0.0.1:0", 0, `"heartbeat_ms":15000`},
		{"tcp://127.0.0.1:0", 7 * time.Second, `"heartbeat_ms":7000`},
		{"tcp://127.0.0.1:0", -1, ""},
		{"unix://" + filepath.Join(dir, "s"), 0, ""},
		{"unix://" + filepath.Join(dir, "s"), time.Second, `"heartbeat_ms":1000`},
	} {
		ep, err := endpoint.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		cfg := session.Config{Heartbeat: c.beat}
		for name, hello := range map[string]string{"client": helloOfClient(t, ep, cfg), "server": helloOfServer(t, ep, cfg)} {
			if has := bytes.Contains([]byte(hello), []byte("heartbeat_ms")); has != (c.want != "") || has && !bytes.Contains([]byte(hello), []byte(c.want)) {
				t.Errorf("%s, heartbeat %v: the %s says %q, not %q", c.address, c.beat, name, hello, c.want)
			}
		}
	}
}

// helloOfClient returns what a Client says first.
func helloOfClient(t *testing.T, ep endpoint.Endpoint, cfg session.Config) string {
	t.Helper()
	set := transport.NewSet(socket.New())
	l, err := set.Listen(t.Context(), ep, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			said <- err.Error()
			return
		}
		x := &tee{c: c}
		s, err := session.Accept(context.Background(), x, nil)
		if err == nil {
			s.Close()
			s.Wait()
		}
		said <- x.got.String()
	}()
	c := client.New(client.Config{Set: set, Endpoint: l.Endpoint(), Session: cfg})
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	hello := <-said
	c.Close()
	return hello
}

// helloOfServer returns what a Server says first.
func helloOfServer(t *testing.T, ep endpoint.Endpoint, cfg session.Config) string {
	t.Helper()
	set := transport.NewSet(socket.New())
	l, err := set.Listen(t.Context(), ep, nil)
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Config{Session: cfg})
	over := make(chan error, 1)
	go func() { over <- srv.Serve(l) }()
	nc, err := set.Dial(t.Context(), l.Endpoint(), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &tee{c: nc}
	s, err := session.Dial(t.Context(), x, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Wait()
	srv.Close()
	if err := <-over; err != nil {
		t.Error(err)
	}
	return x.got.String()
}
