// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/status"
)

// places runs f with who provides and who calls: direct peers over each transport, the other
// way round, and two members of a hub.
func places(t *testing.T, f func(t *testing.T, p plexus.Provider, c plexus.Caller)) {
	t.Run("direct", func(t *testing.T) {
		direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) { f(t, srv, c) })
	})
	t.Run("back", func(t *testing.T) {
		direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) { f(t, c, peerOf(srv)) })
	})
	for _, scheme := range []string{"unix", "shm", "tcp", "mem"} {
		t.Run("hub-"+scheme, func(t *testing.T) {
			address := strings.Replace(path(t), "unix", scheme, 1)
			switch scheme {
			case "tcp":
				address = "tcp://127.0.0.1:0"
			case "mem":
				address = "mem://hub"
			}
			_, dial := hubAt(t, address)
			f(t, dial("").Channel("room"), dial("").Channel("room"))
		})
	}
}

// peerOf waits for the server's side of a session.
func peerOf(srv *plexus.Server) *server.Peer {
	for len(srv.Peers()) == 0 {
		runtime.Gosched()
	}
	return srv.Peers()[0]
}

func TestDuplexGoesBothWays(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		ctx := t.Context()
		_, err := plexus.HandleDuplex(p, "echo", echoes)
		must(t, err)
		d, err := plexus.Open[string, string](ctx, c, "echo")
		must(t, err)
		defer d.Close()
		for _, s := range []string{"a", "", strings.Repeat("long ", 100_000)} {
			must(t, d.Send(ctx, s))
			got, err := d.Recv(ctx)
			must(t, err)
			if got != s {
				t.Fatalf("%d bytes came back of %d", len(got), len(s))
			}
		}
		for range 3 {
			must(t, d.Send(ctx, "x"))
		}
		must(t, d.CloseSend())
		must(t, d.CloseSend())
		if err := d.Send(ctx, "late"); !errors.Is(err, status.FailedPrecondition) {
			t.Fatal(err)
		}
		var all []string
		must(t, d.Each(ctx, func(s string) error { all = append(all, s); return nil }))
		if !slices.Equal(all, []string{"x", "x", "x"}) {
			t.Fatal(all)
		}
		must(t, d.Wait(ctx))
		if _, err := d.Recv(ctx); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
}

// Each side may end its direction first and go on with the other.
func TestDuplexHalfClosed(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		ctx := t.Context()
		_, err := plexus.HandleDuplex(p, "count", func(ctx context.Context, d *plexus.Duplex[int, int]) error {
			if err := d.Send(ctx, 1); err != nil {
				return err
			}
			if err := d.CloseSend(); err != nil {
				return err
			}
			n := 0
			if err := d.Each(ctx, func(int) error { n++; return nil }); err != nil {
				return err
			}
			return status.Errorf(status.FailedPrecondition, "that were %d", n)
		})
		must(t, err)
		d, err := plexus.Open[int, int](ctx, c, "count")
		must(t, err)
		defer d.Close()
		if n, err := d.Recv(ctx); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := d.Recv(ctx); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		for i := range 5 {
			must(t, d.Send(ctx, i))
		}
		must(t, d.CloseSend())
		if err := d.Wait(ctx); !errors.Is(err, status.FailedPrecondition) || !strings.Contains(err.Error(), "that were 5") {
			t.Fatal(err)
		}
	})
}

// Who does not receive is not sent more than its window; a Send that was given up spoils nothing.
func TestDuplexCredit(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		ctx := t.Context()
		begin := make(chan struct{})
		_, err := plexus.HandleDuplex(p, "slow", func(ctx context.Context, d *plexus.Duplex[int, []byte]) error {
			<-begin
			next := byte(0)
			err := d.Each(ctx, func(b []byte) error {
				if b[0] != next {
					return status.Errorf(status.Internal, "item %d came where %d was due", b[0], next)
				}
				next++
				return nil
			})
			if err != nil {
				return err
			}
			return d.Send(ctx, int(next))
		})
		must(t, err)
		d, err := plexus.Open[[]byte, int](ctx, c, "slow")
		must(t, err)
		defer d.Close()
		item, sent := make([]byte, 60_000), 0
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		for err == nil {
			item[0] = byte(sent)
			if err = d.Send(short, item); err == nil {
				sent++
			}
			if sent > 250 {
				t.Fatal("15 MB wait for a handler that takes nothing")
			}
		}
		if !errors.Is(err, status.DeadlineExceeded) {
			t.Fatal(err)
		}
		close(begin)
		for range 3 {
			item[0] = byte(sent)
			must(t, d.Send(ctx, item))
			sent++
		}
		must(t, d.CloseSend())
		if n, err := d.Recv(ctx); n != sent || err != nil {
			t.Fatal(n, sent, err)
		}
	})
}

// A stream that its caller leaves ends at the other side, wherever that is waiting.
func TestDuplexGivenUp(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		ended := make(chan error, 3)
		began := make(chan struct{}, 3)
		_, err := plexus.HandleDuplex(p, "receive", func(ctx context.Context, d *plexus.Duplex[int, int]) error {
			began <- struct{}{}
			_, err := d.Recv(ctx)
			ended <- err
			return err
		})
		must(t, err)
		_, err = plexus.HandleDuplex(p, "send", func(ctx context.Context, d *plexus.Duplex[[]byte, int]) (err error) {
			began <- struct{}{}
			for err == nil {
				err = d.Send(ctx, make([]byte, 50_000))
			}
			ended <- err
			return err
		})
		must(t, err)
		for _, method := range []string{"receive", "send", "receive"} {
			ctx, cancel := context.WithCancel(t.Context())
			d, err := plexus.Open[int, []byte](ctx, c, method)
			must(t, err)
			<-began
			if method == "send" {
				cancel()
			} else {
				must(t, d.Close())
			}
			if err := <-ended; !errors.Is(err, status.Cancelled) {
				t.Fatalf("%s: the handler saw %v", method, err)
			}
			_, err = d.Recv(t.Context())
			for err == nil {
				_, err = d.Recv(t.Context()) // what has come already
			}
			if !errors.Is(err, status.Cancelled) {
				t.Fatalf("%s: the caller saw %v", method, err)
			}
			if err := d.Send(t.Context(), 1); !errors.Is(err, status.Cancelled) {
				t.Fatalf("%s: the caller saw %v", method, err)
			}
			cancel()
		}
	})
}

func TestDuplexAsBytes(t *testing.T) {
	places(t, func(t *testing.T, p plexus.Provider, c plexus.Caller) {
		_, err := plexus.HandleDuplex(p, "cat", func(ctx context.Context, d *plexus.Duplex[[]byte, []byte]) error {
			b := plexus.Bytes(ctx, d)
			_, err := io.Copy(b, b)
			return err
		})
		must(t, err)
		d, err := plexus.Open[[]byte, []byte](t.Context(), c, "cat")
		must(t, err)
		defer d.Close()
		b := plexus.Bytes(t.Context(), d)
		data := make([]byte, 3<<20)
		_, _ = rand.Read(data)
		wrote := make(chan error, 1)
		go func() {
			_, err := b.Write(data)
			wrote <- errors.Join(err, b.Close())
		}()
		got, err := io.ReadAll(b)
		must(t, err)
		must(t, <-wrote)
		if !bytes.Equal(got, data) {
			t.Fatalf("%d of %d bytes", len(got), len(data))
		}
	})
}

const (
	duplexRole = "PLEXUS_TEST_DUPLEX"
	duplexAt   = "PLEXUS_TEST_DUPLEX_AT"
)

// TestDuplexAtAKill kills one process: what the others wait for ends at once, with an error
// that says why.
func TestDuplexAtAKill(t *testing.T) {
	switch os.Getenv(duplexRole) {
	case "hub":
		_, err := plexus.Listen(os.Getenv(duplexAt), &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
		must(t, err)
		<-t.Context().Done() // until it is killed
	case "server":
		srv, err := plexus.Listen(os.Getenv(duplexAt), nil)
		must(t, err)
		_, err = plexus.HandleDuplex(srv, "talk", echoes)
		must(t, err)
		<-t.Context().Done()
	case "provider":
		c, err := plexus.Dial(t.Context(), os.Getenv(duplexAt), nil)
		must(t, err)
		_, err = plexus.HandleDuplex(c.Channel("room"), "talk", echoes)
		must(t, err)
		<-t.Context().Done()
	}
	for _, scheme := range []string{"unix", "shm"} {
		address := func(t *testing.T) string { return strings.Replace(path(t), "unix", scheme, 1) }
		t.Run(scheme+"-server", func(t *testing.T) {
			at := address(t)
			victim := other(t, "server", at)
			c := dialSoon(t, at)
			cutWhileTalking(t, c, "talk", victim)
			<-c.Done()
			if err := c.Err(); !errors.Is(err, status.PeerGone) {
				t.Fatal(err)
			}
		})
		t.Run(scheme+"-provider", func(t *testing.T) {
			at := address(t)
			_, dial := hubAt(t, at)
			cutWhileTalking(t, dial("").Channel("room"), "talk", other(t, "provider", at))
		})
		t.Run(scheme+"-hub", func(t *testing.T) {
			at := address(t)
			victim := other(t, "hub", at)
			p, c := dialSoon(t, at), dialSoon(t, at)
			ended := make(chan error, 1)
			_, err := plexus.HandleDuplex(p.Channel("room"), "talk", func(ctx context.Context, d *plexus.Duplex[string, string]) error {
				err := echoes(ctx, d)
				ended <- err
				return err
			})
			must(t, err)
			cutWhileTalking(t, c.Channel("room"), "talk", victim)
			if err := <-ended; !errors.Is(err, status.PeerGone) && !errors.Is(err, status.Cancelled) {
				t.Fatalf("the handler saw %v", err)
			}
		})
	}
}

// other starts this test binary in a role.
func other(t *testing.T, role, at string) *os.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=TestDuplexAtAKill$")
	cmd.Env = append(os.Environ(), duplexRole+"="+role, duplexAt+"="+at)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process
}

// dialSoon dials until somebody listens.
func dialSoon(t *testing.T, at string) *plexus.Client {
	t.Helper()
	for {
		c, err := plexus.Dial(t.Context(), at, nil)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if !errors.Is(err, status.Unavailable) {
			t.Fatal(err)
		}
	}
}

// cutWhileTalking opens a stream, kills a process and looks at what both directions get.
func cutWhileTalking(t *testing.T, c plexus.Caller, method string, victim *os.Process) {
	t.Helper()
	ctx := t.Context()
	d, err := plexus.Open[string, string](ctx, c, method)
	for err == nil {
		if err = d.Send(ctx, "hello"); err == nil {
			_, err = d.Recv(ctx)
		}
		if errors.Is(err, status.NoProvider) || errors.Is(err, status.UnknownMethod) { // not yet
			d, err = plexus.Open[string, string](ctx, c, method)
			continue
		}
		break
	}
	must(t, err)
	defer d.Close()
	sending := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // nobody takes what comes back, so it soon waits
			err = d.Send(ctx, strings.Repeat("x", 50_000))
		}
		sending <- err
	}()
	must(t, victim.Kill())
	if err := <-sending; !errors.Is(err, status.PeerGone) {
		t.Errorf("the sender saw %v", err)
	}
	for err == nil {
		_, err = d.Recv(ctx)
	}
	if !errors.Is(err, status.PeerGone) {
		t.Errorf("the receiver saw %v", err)
	}
	if err := d.Wait(ctx); !errors.Is(err, status.PeerGone) {
		t.Errorf("who waits for the end saw %v", err)
	}
}
