// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

func TestMain(m *testing.M) { leak.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start serves a Server on loopback and returns how to dial it, and its host and port.
func start(t *testing.T, cfg server.Config) (*server.Server, func(id string) (*session.Session, error), string) {
	set := transport.NewSet(socket.New())
	ep, err := endpoint.Parse("tcp://127.0.0.1:0")
	must(t, err)
	l, err := set.Listen(t.Context(), ep, nil)
	must(t, err)
	srv := server.New(cfg)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		srv.Close()
		wg.Wait()
	})
	return srv, func(id string) (*session.Session, error) {
		c, err := set.Dial(t.Context(), l.Endpoint(), nil)
		must(t, err)
		s, err := session.Dial(t.Context(), c, &session.Config{ID: id})
		if err == nil {
			t.Cleanup(func() {
				s.Close()
				s.Wait()
			})
		}
		return s, err
	}, l.Endpoint().Address()
}

func TestOnePeer(t *testing.T) {
	_, dial, _ := start(t, server.Config{One: true})
	first, err := dial("a")
	must(t, err)
	if _, err := dial("b"); !errors.Is(err, status.Busy) {
		t.Fatal(err)
	}
	first.Close()
	for {
		if _, err = dial("c"); !errors.Is(err, status.Busy) {
			break // the server learns of the end of the first in its own time
		}
	}
	must(t, err)
}

func TestIDs(t *testing.T) {
	srv, dial, _ := start(t, server.Config{MaxSessions: 3})
	a, err := dial("a")
	must(t, err)
	if a.ID() != "a" || srv.Peer("a") == nil {
		t.Fatal(a.ID())
	}
	if _, err := dial("a"); !errors.Is(err, status.AlreadyExists) {
		t.Fatal(err)
	}
	if _, err := dial("not a name/"); !errors.Is(err, status.InvalidArgument) {
		t.Fatal(err)
	}
	for range 2 {
		s, err := dial("")
		must(t, err)
		if s.ID() == "" {
			t.Fatal("no id was given")
		}
	}
	if _, err := dial(""); !errors.Is(err, status.LimitExceeded) {
		t.Fatal(err)
	}
	if n := len(srv.Peers()); n != 3 {
		t.Fatalf("%d peers", n)
	}
}

// A peer that says nothing occupies a place for the handshake timeout and no longer, and
// another protocol is told so at once.
func TestHandshakesAreBounded(t *testing.T) {
	_, dial, address := start(t, server.Config{Session: session.Config{HandshakeTimeout: 50 * time.Millisecond}, MaxHandshakes: 1})
	silent, err := net.Dial("tcp", address)
	must(t, err)
	defer silent.Close()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		// It is told why, then cut.
		_, err = io.Copy(io.Discard, silent)
		must(t, err)
	}
	http, err := net.Dial("tcp", address)
	must(t, err)
	defer http.Close()
	_, err = http.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	must(t, err)
	answer, err := io.ReadAll(http)
	if len(answer) == 0 {
		t.Fatalf("no refusal came: %v", err)
	}
	_, err = dial("")
	must(t, err)
}

// Shutdown lets what is under way end, and reports what it had to cut.
func TestShutdownDrains(t *testing.T) {
	for _, patient := range []bool{true, false} {
		srv, dial, _ := start(t, server.Config{})
		began, end := make(chan struct{}), make(chan struct{})
		_, err := srv.Offer(t.Context(), "slow", service.Terms{}, func(c *session.Call) {
			close(began)
			select {
			case <-end:
				c.Reply(session.Message{})
			case <-c.Context().Done():
				c.Fail(c.Context().Err())
			}
		})
		must(t, err)
		s, err := dial("")
		must(t, err)
		call := s.Route(session.Bind{Class: session.ClassMethod, Name: "slow"}).Go(t.Context(), session.Message{})
		<-began
		ctx, cancel := context.WithCancel(t.Context())
		if patient {
			close(end)
		} else {
			cancel()
		}
		cut, err := srv.Shutdown(ctx)
		_, callErr := call.Wait(t.Context())
		if patient && (cut != 0 || err != nil || callErr != nil) {
			t.Errorf("drained: cut %d, %v; the call: %v", cut, err, callErr)
		}
		if !patient && (cut != 1 || !errors.Is(callErr, status.PeerGone) && !errors.Is(callErr, status.Cancelled)) {
			t.Errorf("cut %d, %v; the call: %v", cut, err, callErr)
		}
		cancel()
	}
}
