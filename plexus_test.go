// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

type Add struct{ A, B int64 }
type Sum struct{ Sum int64 }

func add(_ context.Context, in Add) (Sum, error) { return Sum{in.A + in.B}, nil }

// path returns the address of a unix socket in a folder of its own.
func path(t testing.TB) string {
	d, err := os.MkdirTemp("", "plexus")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(d) })
	return "unix://" + filepath.Join(d, "s")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// direct returns a server and a client of it, over each transport in turn.
func direct(t *testing.T, f func(t *testing.T, srv *plexus.Server, c *plexus.Client)) {
	for _, address := range []string{"unix", "tcp://127.0.0.1:0", "mem://x", "unixpacket", "shm"} {
		t.Run(strings.Split(address, ":")[0], func(t *testing.T) {
			switch address {
			case "unix":
				address = path(t)
			case "unixpacket", "shm":
				address = strings.Replace(path(t), "unix", address, 1)
			}
			srv, c := connect(t, address, nil, nil)
			f(t, srv, c)
		})
	}
}

func connect(t testing.TB, address string, lo *plexus.ListenOptions, do *plexus.DialOptions) (*plexus.Server, *plexus.Client) {
	t.Helper()
	srv, err := plexus.Listen(address, lo)
	must(t, err)
	t.Cleanup(func() { srv.Close() })
	c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], do)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return srv, c
}

func TestDirectCalls(t *testing.T) {
	direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) {
		reg, err := plexus.Handle(srv, "add", add)
		must(t, err)
		sum, err := plexus.Call[Sum](t.Context(), c, "add", Add{1, 2})
		must(t, err)
		if sum.Sum != 3 {
			t.Fatal(sum)
		}
		for _, cd := range []codec.Codec{codec.JSON{}, codec.Fixed{}} {
			bound := plexus.Bind[Add, Sum](c, "add", plexus.WithCodec(cd))
			sum, err = bound.Call(t.Context(), Add{40, 2})
			must(t, err)
			if sum.Sum != 42 {
				t.Fatal(sum)
			}
			sum, err = bound.Go(t.Context(), Add{40, 3}).Wait(t.Context())
			must(t, err)
			if sum.Sum != 43 {
				t.Fatal(sum)
			}
		}
		must(t, reg.Close(t.Context()))
		_, err = plexus.Call[Sum](t.Context(), c, "add", Add{1, 2})
		if !errors.Is(err, status.UnknownMethod) {
			t.Fatal(err)
		}
		// The server calls its client.
		_, err = plexus.Handle(c, "whoami", func(context.Context, struct{}) (string, error) { return "client", nil })
		must(t, err)
		who, err := plexus.Call[string](t.Context(), srv.Peers()[0], "whoami", struct{}{})
		must(t, err)
		if who != "client" {
			t.Fatal(who)
		}
	})
}

func TestDirectStreams(t *testing.T) {
	direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) {
		_, err := plexus.HandleStream(srv, "count", func(_ context.Context, n int, send func(int) error) error {
			for i := range n {
				if err := send(i); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
		want := 0
		for i, err := range plexus.Stream[int](t.Context(), c, "count", 1000) {
			must(t, err)
			if i != want {
				t.Fatalf("item %d, want %d", i, want)
			}
			want++
		}
		if want != 1000 {
			t.Fatalf("%d items", want)
		}
		_, err = plexus.HandleUpload(srv, "total", func(_ context.Context, items iter.Seq2[int, error]) (int, error) {
			total := 0
			for i, err := range items {
				if err != nil {
					return 0, err
				}
				total += i
			}
			return total, nil
		})
		must(t, err)
		up, err := plexus.OpenUpload[int, int](t.Context(), c, "total")
		must(t, err)
		for i := range 100 {
			must(t, up.Send(t.Context(), i))
		}
		total, err := up.Finish(t.Context())
		must(t, err)
		if total != 4950 {
			t.Fatal(total)
		}
		_, err = plexus.HandleDuplex(srv, "upper", func(ctx context.Context, d *plexus.Duplex[string, string]) error {
			for s, err := range d.All(ctx) {
				if err != nil {
					return err
				}
				if err := d.Send(ctx, strings.ToUpper(s)); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
		d, err := plexus.Open[string, string](t.Context(), c, "upper")
		must(t, err)
		must(t, d.Send(t.Context(), "hello"))
		up2, err := d.Recv(t.Context())
		must(t, err)
		if up2 != "HELLO" {
			t.Fatal(up2)
		}
		must(t, d.CloseSend())
		must(t, d.Wait(t.Context()))
		if _, err := d.Recv(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		d.Close()
	})
}

func TestDirectTopics(t *testing.T) {
	direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) {
		_, err := plexus.Declare(srv, "quotes.acme")
		must(t, err)
		sub, err := plexus.Subscribe[int](t.Context(), c, "quotes.*")
		must(t, err)
		for i := range 100 {
			must(t, plexus.Publish(t.Context(), srv, "quotes.acme", i))
		}
		for i := range 100 {
			p, err := sub.Next(t.Context())
			must(t, err)
			if p.Value != i || p.Topic != "quotes.acme" {
				t.Fatalf("%+v, want %d", p, i)
			}
		}
		must(t, sub.Close())
		if _, err := sub.Next(t.Context()); err != io.EOF {
			t.Fatal(err)
		}
		if err := plexus.Publish(t.Context(), c, "nothing", 1); !errors.Is(err, status.Undeclared) {
			t.Fatal(err)
		}
		if err := plexus.Publish(t.Context(), c, "quotes.acme", 1); !errors.Is(err, status.NotOwner) {
			t.Fatal(err)
		}
		// The client publishes on a shared topic, the server subscribes.
		_, err = plexus.Declare(srv, "chat", plexus.WithShared())
		must(t, err)
		all, err := plexus.Subscribe[string](t.Context(), srv, ">")
		must(t, err)
		must(t, plexus.Publish(t.Context(), c, "chat", "hi"))
		p, err := all.Next(t.Context())
		must(t, err)
		if p.Value != "hi" {
			t.Fatalf("%+v", p)
		}
		all.Close()
	})
}

func TestDirectEvents(t *testing.T) {
	direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) {
		got := make(chan string, 200)
		on := plexus.On(srv, "note", func(ctx context.Context, v string) {
			e, _ := plexus.EnvelopeOf(ctx)
			got <- e.Name + "=" + v + " " + fmt.Sprint(e.Headers)
		})
		for i := range 100 {
			must(t, plexus.Send(t.Context(), c, "note", fmt.Sprint(i), plexus.WithHeader("k", "v")))
		}
		for i := range 100 {
			if s := <-got; s != fmt.Sprintf("note=%d [{k v}]", i) {
				t.Fatal(s)
			}
		}
		on.Close()
		plexus.On(c, "", func(_ context.Context, v int) { got <- fmt.Sprint(v) })
		must(t, plexus.Broadcast(t.Context(), srv, "tick", 7))
		if s := <-got; s != "7" {
			t.Fatal(s)
		}
		if err := plexus.Send(t.Context(), c, "other", 1); !errors.Is(err, status.UnknownMethod) {
			t.Fatal(err)
		}
	})
}

func TestSecret(t *testing.T) {
	secret := []byte("a secret of some length")
	address := path(t)
	srv, c := connect(t, address, &plexus.ListenOptions{Secret: secret}, &plexus.DialOptions{Secret: secret})
	plexus.Handle(srv, "add", add)
	_, err := plexus.Call[Sum](t.Context(), c, "add", Add{1, 2})
	must(t, err)
	for _, o := range []*plexus.DialOptions{nil, {Secret: []byte("another secret, not that")}} {
		if _, err := plexus.Dial(t.Context(), address, o); !errors.Is(err, status.Unauthenticated) {
			t.Fatalf("%+v: %v", o, err)
		}
	}
	open := path(t)
	connect(t, open, nil, nil)
	if _, err := plexus.Dial(t.Context(), open, &plexus.DialOptions{Secret: secret}); !errors.Is(err, status.Unauthenticated) {
		t.Fatalf("a server that proves nothing: %v", err)
	}
}

func TestLazyDial(t *testing.T) {
	address := path(t)
	c, err := plexus.Dial(t.Context(), address, &plexus.DialOptions{Lazy: true})
	must(t, err)
	defer c.Close()
	if _, err := plexus.Call[Sum](t.Context(), c, "add", Add{}); !errors.Is(err, status.Unavailable) || !status.Retryable(err) {
		t.Fatal(err)
	}
	srv, err := plexus.Listen(address, nil)
	must(t, err)
	defer srv.Close()
	plexus.Handle(srv, "add", add)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := plexus.Call[Sum](t.Context(), c, "add", Add{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOnePeerByAddress(t *testing.T) {
	address := path(t)
	connect(t, address+"?one=1", nil, nil)
	if _, err := plexus.Dial(t.Context(), address, nil); !errors.Is(err, status.Busy) {
		t.Fatal(err)
	}
}

func TestServerGone(t *testing.T) {
	srv, c := connect(t, path(t), nil, nil)
	started := make(chan struct{})
	plexus.Handle(srv, "wait", func(ctx context.Context, _ struct{}) (struct{}, error) {
		close(started)
		<-ctx.Done()
		return struct{}{}, ctx.Err()
	})
	f := plexus.Bind[struct{}, struct{}](c, "wait").Go(t.Context(), struct{}{})
	<-started
	srv.Close()
	if _, err := f.Wait(t.Context()); !errors.Is(err, status.PeerGone) {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Err(); !errors.Is(err, status.PeerGone) || errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

func TestDeadline(t *testing.T) {
	srv, c := connect(t, path(t), nil, nil)
	left := make(chan bool, 1)
	plexus.Handle(srv, "wait", func(ctx context.Context, _ struct{}) (struct{}, error) {
		_, ok := ctx.Deadline()
		<-ctx.Done()
		left <- ok
		return struct{}{}, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := plexus.Call[struct{}](ctx, c, "wait", struct{}{})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, status.DeadlineExceeded) {
		t.Fatal(err)
	}
	if !<-left {
		t.Fatal("the handler saw no deadline")
	}
}

func TestBoundCallAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("pools forget on purpose under the race detector")
	}
	srv, c := connect(t, path(t), nil, nil)
	plexus.Handle(srv, "add", add)
	bound := plexus.Bind[Add, Sum](c, "add", plexus.WithCodec(codec.Fixed{}))
	for range 100 {
		bound.Call(t.Context(), Add{1, 2})
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(2000, func() {
		if _, err := bound.Call(ctx, Add{1, 2}); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("a bound call with a value codec allocates %v times, both ends together", n)
	}
}
