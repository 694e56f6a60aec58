// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// place is a server, or a channel of a hub.
type place interface {
	plexus.Provider
	plexus.Declarer
	plexus.Publisher
	plexus.Listener
}

// peer is whom the handlers that turn round talk to: the caller, or a channel of the hub.
type peer interface {
	plexus.Caller
	plexus.Sender
	plexus.Broadcaster
}

// offerings collects errors, so that the list below reads as one.
type offerings struct{ err error }

func (o *offerings) add(_ *plexus.Registration, err error) { o.err = errors.Join(o.err, err) }

// offer offers everything that the tests use.
func offer(p place, channel func(string) *plexus.Channel) error {
	g := &guest{p: p, channel: channel, gone: make(chan struct{}, 1024), release: make(chan struct{}, 1024)}
	var o offerings
	o.add(plexus.Handle(p, "add", func(_ context.Context, in [2]int) (int, error) { return in[0] + in[1], nil }))
	o.add(p.Offer(context.Background(), "echo", service.Terms{}, echo))
	o.add(plexus.Handle(p, "big", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil }))
	o.add(plexus.Handle(p, "fail", func(_ context.Context, code int) (any, error) {
		return nil, &status.Error{Code: status.Code(code), Message: "as you wish", Details: []byte("details")}
	}))
	o.add(plexus.Handle(p, "envelope", envelope))
	o.add(plexus.Handle(p, "wait", g.wait))
	o.add(plexus.Handle(p, "gone", g.wasGone))
	o.add(plexus.HandleStream(p, "count", count))
	o.add(plexus.HandleStream(p, "forever", g.forever))
	o.add(plexus.HandleUpload(p, "sum", sum))
	o.add(plexus.HandleDuplex(p, "double", double))
	o.add(plexus.Handle(p, "publish", g.publish))
	o.add(plexus.Handle(p, "call", g.call))
	o.add(plexus.Handle(p, "collect", g.collect))
	o.add(plexus.Handle(p, "upload", g.upload))
	o.add(plexus.Handle(p, "talk", g.talk))
	o.add(plexus.Handle(p, "abandon", g.abandon))
	o.add(plexus.Handle(p, "deaf", func(context.Context, any) (any, error) { // hears of no deadline
		<-g.release
		return nil, nil
	}))
	o.add(plexus.Handle(p, "release", func(context.Context, any) (any, error) {
		g.release <- struct{}{}
		return nil, nil
	}))
	o.add(plexus.Handle(p, "send", g.send))
	o.add(plexus.Handle(p, "heard", g.heard))
	o.add(p.Offer(context.Background(), "drain", service.Terms{}, drain))
	o.add(p.Offer(context.Background(), "cut", service.Terms{}, func(c *session.Call) { c.Session().Close() }))
	o.add(plexus.Declare(p, "news.shared", plexus.WithShared()))
	o.add(plexus.Declare(p, "news.own"))
	p.Listen("", g.hear)
	return o.err
}

func echo(c *session.Call) {
	if err := c.Reply(session.Message{Codec: c.Codec, Payload: c.Payload}); err != nil {
		c.Fail(err)
	}
}

func envelope(ctx context.Context, _ any) (map[string]any, error) {
	e, _ := plexus.EnvelopeOf(ctx)
	headers := map[string]string{}
	for _, h := range e.Headers {
		headers[h.Key] = h.Value
	}
	left := 0.0
	if d, ok := ctx.Deadline(); ok {
		left = time.Until(d).Seconds()
	}
	return map[string]any{"sender": e.Sender, "headers": headers, "remaining": left}, nil
}

func count(_ context.Context, n int, send func(int) error) error {
	for i := range n {
		if err := send(i); err != nil {
			return err
		}
	}
	return nil
}

func sum(_ context.Context, items iter.Seq2[int, error]) (int, error) {
	total := 0
	for i, err := range items {
		if err != nil {
			return 0, err
		}
		total += i
	}
	return total, nil
}

func double(ctx context.Context, d *plexus.Duplex[int, int]) error {
	for i, err := range d.All(ctx) {
		if err != nil {
			return err
		}
		if err := d.Send(ctx, 2*i); err != nil {
			return err
		}
	}
	return nil
}

func drain(c *session.Call) {
	s := c.Session()
	go func() { _, _ = s.Drain(context.Background()) }()
	echo(c)
}

// guest remembers what has happened at one place.
type guest struct {
	p       place
	channel func(name string) *plexus.Channel // another one of the same hub
	gone    chan struct{}                     // a token for each handler that was cancelled
	release chan struct{}                     // lets abandon go on

	mu     sync.Mutex
	events []string
	more   chan struct{}
}

// wait ends when its caller gives up.
func (g *guest) wait(ctx context.Context, _ any) (any, error) {
	<-ctx.Done()
	g.gone <- struct{}{}
	return nil, ctx.Err()
}

// wasGone waits until a handler was cancelled.
func (g *guest) wasGone(ctx context.Context, _ any) (bool, error) {
	select {
	case <-g.gone:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (g *guest) forever(ctx context.Context, size int, send func(string) error) error {
	for {
		if err := send(strings.Repeat("x", size)); err != nil {
			g.gone <- struct{}{}
			return err
		}
	}
}

// publish publishes the numbers 1 to n.
func (g *guest) publish(ctx context.Context, in struct {
	Topic string
	N     int
}) (int, error) {
	for i := range in.N {
		if err := plexus.Publish(ctx, g.p, in.Topic, i+1); err != nil {
			return i, err
		}
	}
	return in.N, nil
}

// request asks to do something to the other side, or to what a channel of the hub has.
type request struct {
	Method string
	Value  any
	N      int
	Target string
}

// at finds whom a handler that turns round talks to, and the name there.
func (g *guest) at(ctx context.Context, address, target string) (peer, string) {
	if channel, name, ok := strings.Cut(address, "/"); ok {
		return g.channel(channel).At(target), name
	}
	in, _ := session.FromContext(ctx)
	return service.NewChannel(fixed{in.Session}, &service.Table{}, ""), address
}

// fixed is the source of a channel on one session.
type fixed struct{ s *session.Session }

func (f fixed) Session(context.Context) (*session.Session, error) { return f.s, nil }

func (g *guest) call(ctx context.Context, in request) (any, error) {
	to, name := g.at(ctx, in.Method, in.Target)
	return plexus.Call[any](ctx, to, name, in.Value)
}

func (g *guest) collect(ctx context.Context, in request) (list []int, err error) {
	to, name := g.at(ctx, in.Method, in.Target)
	for i, err := range plexus.Stream[int](ctx, to, name, in.Value) {
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}

func (g *guest) upload(ctx context.Context, in request) (int, error) {
	to, name := g.at(ctx, in.Method, in.Target)
	u, err := plexus.OpenUpload[int, int](ctx, to, name)
	if err != nil {
		return 0, err
	}
	for i := range in.N {
		if err := u.Send(ctx, i); err != nil {
			return 0, err
		}
	}
	return u.Finish(ctx)
}

func (g *guest) talk(ctx context.Context, in request) (list []int, err error) {
	to, name := g.at(ctx, in.Method, in.Target)
	d, err := plexus.Open[int, int](ctx, to, name)
	if err != nil {
		return nil, err
	}
	for i := range in.N {
		if err := d.Send(ctx, i); err != nil {
			return nil, err
		}
		v, err := d.Recv(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if err := d.CloseSend(); err != nil {
		return nil, err
	}
	if _, err := d.Recv(ctx); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("after the last item: %w", err)
	}
	return list, nil
}

// abandon begins a call and gives it up once somebody has called release.
func (g *guest) abandon(ctx context.Context, in request) (string, error) {
	to, name := g.at(ctx, in.Method, in.Target)
	f := plexus.Bind[any, any](to, name).Go(ctx, in.Value)
	select {
	case <-g.release:
	case <-f.Done():
	}
	f.Cancel()
	_, err := f.Wait(ctx)
	return status.CodeOf(err).String(), nil
}

func (g *guest) send(ctx context.Context, in request) (int, error) {
	to, name := g.at(ctx, in.Method, in.Target)
	for i := range in.N {
		if err := plexus.Send(ctx, to, name, i); err != nil {
			return i, err
		}
	}
	return in.N, nil
}

// hear notes an event.
func (g *guest) hear(e service.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, fmt.Sprintf("%s %t %s", e.Name, e.Broadcast, e.Payload))
	if g.more != nil {
		close(g.more)
		g.more = nil
	}
}

// heard returns the first n events that contain a word, once there are so many.
func (g *guest) heard(ctx context.Context, in request) ([]string, error) {
	for {
		found, more := g.find(in.Method)
		if len(found) >= in.N {
			return found[:in.N], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
}

func (g *guest) find(word string) (found []string, more chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if strings.Contains(e, word) {
			found = append(found, e)
		}
	}
	if g.more == nil {
		g.more = make(chan struct{})
	}
	return found, g.more
}
