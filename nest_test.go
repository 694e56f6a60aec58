// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/stdio"
)

// nester offers a handler of every kind. Each turns round and calls the other side, from
// inside, by the next kind of a list.
type nester struct {
	my, your string // prefixes of names: the same, if it calls itself
	to       interface {
		plexus.Caller
		plexus.Sender
	}

	mu    sync.Mutex
	waits map[string]chan int
	next  int
}

// kinds are all ways to reach the other side.
var kinds = []string{"call", "stream", "upload", "duplex", "event"}

// errand is what an event carries: the answer comes by a call.
type errand struct {
	Token string
	Rest  []string
	N     int
}

// offer offers the handlers at the near side.
func (n *nester) offer(p interface {
	plexus.Provider
	plexus.Listener
}) error {
	n.waits = make(map[string]chan int)
	var errs []error
	reg := func(_ *plexus.Registration, err error) { errs = append(errs, err) }
	reg(plexus.Handle(p, n.my+"call", n.pass))
	reg(plexus.HandleStream(p, n.my+"stream", func(ctx context.Context, rest []string, send func(int) error) error {
		depth, err := n.pass(ctx, rest)
		if err != nil {
			return err
		}
		return send(depth)
	}))
	reg(plexus.HandleUpload(p, n.my+"upload", func(ctx context.Context, items iter.Seq2[[]string, error]) (int, error) {
		for rest, err := range items {
			if err != nil {
				return 0, err
			}
			return n.pass(ctx, rest)
		}
		return 0, errors.New("nothing was uploaded")
	}))
	reg(plexus.HandleDuplex(p, n.my+"duplex", func(ctx context.Context, d *plexus.Duplex[int, []string]) error {
		return d.Each(ctx, func(rest []string) error {
			depth, err := n.pass(ctx, rest)
			if err != nil {
				return err
			}
			return d.Send(ctx, depth)
		})
	}))
	plexus.On(p, n.my+"event", func(ctx context.Context, e errand) {
		depth, err := n.pass(ctx, e.Rest)
		if err != nil {
			depth = -1000
		}
		_, _ = plexus.Call[bool](ctx, n.to, n.your+"done", errand{Token: e.Token, N: depth})
	})
	reg(plexus.Handle(p, n.my+"done", func(_ context.Context, e errand) (bool, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.waits[e.Token] <- e.N
		delete(n.waits, e.Token)
		return true, nil
	}))
	return errors.Join(errs...)
}

// pass goes one deeper, and returns how deep it went.
func (n *nester) pass(ctx context.Context, list []string) (depth int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	rest := list[1:]
	switch list[0] {
	case "call":
		depth, err = plexus.Call[int](ctx, n.to, n.your+"call", rest)
	case "stream":
		for depth, err = range plexus.Stream[int](ctx, n.to, n.your+"stream", rest) {
		}
	case "upload":
		var up *plexus.Upload[[]string, int]
		if up, err = plexus.OpenUpload[[]string, int](ctx, n.to, n.your+"upload"); err == nil {
			err = up.Send(ctx, rest)
		}
		if err == nil {
			depth, err = up.Finish(ctx)
		}
	case "duplex":
		var d *plexus.Duplex[[]string, int]
		if d, err = plexus.Open[[]string, int](ctx, n.to, n.your+"duplex"); err != nil {
			return 0, err
		}
		defer d.Close()
		if err = d.Send(ctx, rest); err == nil {
			depth, err = d.Recv(ctx)
		}
	case "event":
		depth, err = n.errand(ctx, rest)
	}
	return depth + 1, err
}

// errand sends an event and waits for what comes of it.
func (n *nester) errand(ctx context.Context, rest []string) (int, error) {
	done := make(chan int, 1)
	n.mu.Lock()
	n.next++
	token := fmt.Sprint(n.my, n.next)
	n.waits[token] = done
	n.mu.Unlock()
	if err := plexus.Send(ctx, n.to, n.your+"event", errand{Token: token, Rest: rest}); err != nil {
		return 0, err
	}
	select {
	case depth := <-done:
		return depth, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// goes goes there and back by all kinds, each inside each; several at the same time.
func (n *nester) goes(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	for _, outer := range kinds {
		for _, inner := range kinds {
			if outer == "event" && inner == "event" && n.my == n.your {
				continue // a listener hears one at a time, so it cannot wait for another event of its own
			}
			wg.Go(func() {
				list := []string{outer, inner, "call", "stream", outer}
				if slices.Contains(list[:2], "event") {
					list = list[:4] // for the same reason
				}
				if depth, err := n.pass(t.Context(), list); err != nil || depth != len(list) {
					t.Errorf("%s: %d, %v", strings.Join(list, " > "), depth, err)
				}
			})
		}
	}
	wg.Wait()
}

// nested joins a server and a client.
func nested(t *testing.T, srv *plexus.Server, c *plexus.Client) {
	a, b := &nester{my: "a.", your: "b.", to: c}, &nester{my: "b.", your: "a.", to: peerOf(srv)}
	must(t, a.offer(c))
	must(t, b.offer(srv))
	a.goes(t)
	b.goes(t)
}

func TestNestedCallsDirect(t *testing.T) {
	direct(t, nested)
	t.Run("tls", func(t *testing.T) {
		server, client := certificate(t)
		srv, c := connect(t, "tls://127.0.0.1:0", &plexus.ListenOptions{TLS: server}, &plexus.DialOptions{TLS: client})
		nested(t, srv, c)
	})
}

// Over the standard streams of a child, which is this test binary.
func TestNestedCallsOverStdio(t *testing.T) {
	if os.Getenv(childRole) != "" {
		srv, err := plexus.NewServer(nil)
		must(t, err)
		must(t, srv.Bind(context.Background(), "stdio:"))
		peer := peerOf(srv)
		must(t, (&nester{my: "b.", your: "a.", to: peer}).offer(srv))
		_, err = plexus.Handle(srv, "ready", func(context.Context, bool) (bool, error) { return true, nil })
		must(t, err)
		<-peer.Conversation().Done()
		srv.Close()
		os.Exit(0) // the leak check is the parent's
	}
	cmd := exec.Command(os.Args[0], "-test.run=TestNestedCallsOverStdio$")
	cmd.Env = append(os.Environ(), childRole+"=1")
	cmd.Stderr = os.Stderr
	c := client.New(client.Config{Dial: func(context.Context) (transport.Conn, error) { return stdio.Command(cmd) }})
	defer c.Close()
	a := &nester{my: "a.", your: "b.", to: c}
	must(t, a.offer(c))
	for {
		if ok, err := plexus.Call[bool](t.Context(), c, "ready", true); ok && err == nil {
			break
		}
	}
	a.goes(t)
}

// Through a hub: to another member and back, and to oneself.
func TestNestedCallsThroughAHub(t *testing.T) {
	for _, scheme := range []string{"unix", "tcp", "shm", "mem"} {
		t.Run(scheme, func(t *testing.T) {
			address := strings.Replace(path(t), "unix", scheme, 1)
			switch scheme {
			case "tcp":
				address = "tcp://127.0.0.1:0"
			case "mem":
				address = "mem://nested"
			}
			_, dial := hubAt(t, address)
			a, b := dial("a").Channel("room"), dial("b").Channel("room")
			atB, atA := b, a // events go to a member
			na, nb := &nester{my: "a.", your: "b.", to: a.At("b")}, &nester{my: "b.", your: "a.", to: b.At("a")}
			must(t, na.offer(atA))
			must(t, nb.offer(atB))
			na.goes(t)
			nb.goes(t)
			self := dial("self").Channel("room")
			n := &nester{my: "self.", your: "self.", to: self.At("self")}
			must(t, n.offer(self))
			n.goes(t)
		})
	}
}
