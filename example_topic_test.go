// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// A subscription is in effect when Subscribe returns.
func ExamplePublish() {
	srv, c := served("mem://example-publish")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Declare(srv, "weather.oslo")
	fatal(err)

	ctx := context.Background()
	sub, err := plexus.Subscribe[int](ctx, c, "weather.*")
	fatal(err)
	defer sub.Close()
	fatal(plexus.Publish(ctx, srv, "weather.oslo", -3))
	p, err := sub.Next(ctx)
	fmt.Println(p.Topic, p.Value, err)
	// Output: weather.oslo -3 <nil>
}

// Only declared topics can be published to; a shared one by everybody.
func ExampleDeclare() {
	srv, c := served("mem://example-declare")
	defer srv.Close()
	defer c.Close()
	ctx := context.Background()
	fmt.Println(status.CodeOf(plexus.Publish(ctx, c, "chat", "hi")))
	_, err := plexus.Declare(srv, "chat")
	fatal(err)
	fmt.Println(status.CodeOf(plexus.Publish(ctx, srv, "chat", "hi"))) // nobody listens: no error
	fmt.Println(status.CodeOf(plexus.Publish(ctx, c, "chat", "hi")))
	_, err = plexus.Declare(srv, "forum", plexus.WithShared())
	fatal(err)
	fmt.Println(status.CodeOf(plexus.Publish(ctx, c, "forum", "hi")))
	// Output:
	// undeclared
	// ok
	// not_owner
	// ok
}

// A subscriber bounds what may wait for it, and ranges over what comes.
func ExampleSubscribe() {
	srv, c := served("mem://example-subscribe")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Declare(srv, "count")
	fatal(err)

	ctx := context.Background()
	sub, err := plexus.Subscribe[int](ctx, c, ">", plexus.WithQueue(100, operation.DropOldest))
	fatal(err)
	defer sub.Close()
	for n := range 3 {
		fatal(plexus.Publish(ctx, srv, "count", n))
	}
	for n, err := range sub.All(ctx) {
		fmt.Println(n, err)
		if n == 2 {
			break
		}
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 2 <nil>
}

// An event goes one way: no answer comes.
func ExampleSend() {
	srv, c := served("mem://example-send")
	defer srv.Close()
	defer c.Close()
	heard := make(chan string)
	l := plexus.On(srv, "note", func(_ context.Context, s string) { heard <- s })
	defer l.Close()

	fatal(plexus.Send(context.Background(), c, "note", "the door is open"))
	fmt.Println(<-heard)
	// Output: the door is open
}

// A server tells all its peers, here when one of them asks for it.
func ExampleBroadcast() {
	srv, c := served("mem://example-broadcast")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Handle(srv, "ring", func(ctx context.Context, times int) (struct{}, error) {
		return struct{}{}, plexus.Broadcast(ctx, srv, "bell", times)
	})
	fatal(err)
	heard := make(chan int, 1)
	l := plexus.On(c, "bell", func(_ context.Context, times int) { heard <- times })
	defer l.Close()

	_, err = plexus.Call[struct{}](context.Background(), c, "ring", 3)
	fatal(err)
	fmt.Println(<-heard)
	// Output: 3
}

// Events that do not decode are told apart from those that do.
func ExampleOn() {
	srv, c := served("mem://example-on")
	defer srv.Close()
	defer c.Close()
	heard := make(chan string)
	l := plexus.On(srv, "age",
		func(_ context.Context, n int) { heard <- fmt.Sprint("age ", n) },
		service.WithOnError(func(err error) { heard <- status.CodeOf(err).String() }))
	defer l.Close()

	ctx := context.Background()
	fatal(plexus.Send(ctx, c, "age", 30))
	fmt.Println(<-heard)
	fatal(plexus.Send(ctx, c, "age", "thirty"))
	fmt.Println(<-heard)
	// Output:
	// age 30
	// invalid_argument
}

// What came along with a call besides its value.
func ExampleEnvelopeOf() {
	srv, err := plexus.Listen("mem://example-envelope", nil)
	fatal(err)
	defer srv.Close()
	_, err = plexus.Handle(srv, "whoami", func(ctx context.Context, _ struct{}) (string, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		return fmt.Sprint(e.Sender, " ", e.Headers), nil
	})
	fatal(err)

	ctx := context.Background()
	c, err := plexus.Dial(ctx, "mem://example-envelope", &plexus.DialOptions{ID: "alice"})
	fatal(err)
	defer c.Close()
	fmt.Println(plexus.Call[string](ctx, c, "whoami", struct{}{}, plexus.WithHeader("lang", "no")))
	// Output: alice [{lang no}] <nil>
}

// What is sent to a channel reaches its other members; At chooses one of them.
func ExampleChannel() {
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	defer srv.Close()
	ctx := context.Background()
	heard := make(chan string)
	join := func(id string) *plexus.Channel {
		c, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: id})
		fatal(err)
		hall := c.Channel("hall")
		fatal(hall.Operate(ctx, operation.Join, operation.Place{Channel: "hall"}, nil))
		plexus.On(hall, "say", func(ctx context.Context, s string) {
			e, _ := plexus.EnvelopeOf(ctx)
			heard <- fmt.Sprintf("%s hears %s: %s", id, e.Sender, s)
		})
		return hall
	}
	alice := join("alice")
	join("bob")

	fatal(plexus.Broadcast(ctx, alice, "say", "hello, all"))
	fmt.Println(<-heard)
	fatal(plexus.Send(ctx, alice.At("bob"), "say", "hello, bob"))
	fmt.Println(<-heard)
	// Output:
	// bob hears alice: hello, all
	// bob hears alice: hello, bob
}
