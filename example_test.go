// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// The examples keep to mem:// addresses, which live inside one process. With unix:///path,
// tcp://host:port or a bare name the same lines connect two processes.

// fatal ends an example that cannot go on.
func fatal(err error) {
	if err != nil {
		panic(err)
	}
}

// served returns a server at an address of this process, and a client of it.
func served(address string) (*plexus.Server, *plexus.Client) {
	srv, err := plexus.Listen(address, nil)
	fatal(err)
	c, err := plexus.Dial(context.Background(), address, nil)
	fatal(err)
	return srv, c
}

// Both ends of a direct conversation.
func Example() {
	type Rect struct{ W, H float64 }

	srv, err := plexus.Listen("mem://example", nil)
	fatal(err)
	defer srv.Close()
	_, err = plexus.Handle(srv, "area", func(_ context.Context, r Rect) (float64, error) {
		return r.W * r.H, nil
	})
	fatal(err)

	ctx := context.Background()
	c, err := plexus.Dial(ctx, "mem://example", nil)
	fatal(err)
	defer c.Close()
	area, err := plexus.Call[float64](ctx, c, "area", Rect{3, 4})
	fmt.Println(area, err)
	// Output: 12 <nil>
}

// A hub in one process, and two clients that meet in one of its channels. The daemon
// "plexus serve" is the same hub in a process of its own.
func Example_hub() {
	srv, err := plexus.Listen("mem://example-hub", &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	defer srv.Close()

	ctx := context.Background()
	provider, err := plexus.Dial(ctx, "mem://example-hub", nil)
	fatal(err)
	defer provider.Close()
	_, err = plexus.Handle(provider.Channel("text"), "upper", func(_ context.Context, s string) (string, error) {
		return strings.ToUpper(s), nil
	})
	fatal(err)

	consumer, err := plexus.Dial(ctx, "mem://example-hub", nil)
	fatal(err)
	defer consumer.Close()
	s, err := plexus.Call[string](ctx, consumer.Channel("text"), "upper", "hello")
	fmt.Println(s, err)
	// Output: HELLO <nil>
}

// A port 0 is resolved once the server listens.
func ExampleListen() {
	srv, err := plexus.Listen("tcp://127.0.0.1:0", &plexus.ListenOptions{Secret: []byte("correct horse battery staple")})
	fatal(err)
	defer srv.Close()
	fmt.Println(strings.HasPrefix(srv.Endpoints()[0], "tcp://127.0.0.1:"))
	// Output: true
}

// One server may listen at many addresses.
func ExampleNewServer() {
	srv, err := plexus.NewServer(&plexus.ListenOptions{ID: "clock"})
	fatal(err)
	defer srv.Close()
	fatal(srv.Bind(context.Background(), "mem://clock"))
	fatal(srv.Bind(context.Background(), "mem://watch"))
	fmt.Println(srv.Endpoints())
	// Output: [mem://clock mem://watch]
}

// A client without the secret is refused, with a code of its own.
func ExampleDial() {
	secret := []byte("correct horse battery staple")
	srv, err := plexus.Listen("mem://example-dial", &plexus.ListenOptions{Secret: secret})
	fatal(err)
	defer srv.Close()

	ctx := context.Background()
	c, err := plexus.Dial(ctx, "mem://example-dial", &plexus.DialOptions{ID: "alice", Secret: secret})
	fatal(err)
	defer c.Close()
	fmt.Println(c.ID())

	_, err = plexus.Dial(ctx, "mem://example-dial", nil)
	fmt.Println(status.CodeOf(err))
	// Output:
	// alice
	// unauthenticated
}

// Errors have a code, and say whether a retry is safe.
func ExampleCall() {
	srv, c := served("mem://example-call")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Handle(srv, "half", func(_ context.Context, n int) (int, error) {
		if n%2 != 0 {
			return 0, status.Errorf(status.InvalidArgument, "%d is odd", n)
		}
		return n / 2, nil
	})
	fatal(err)

	ctx := context.Background()
	n, err := plexus.Call[int](ctx, c, "half", 42)
	fmt.Println(n, err)
	_, err = plexus.Call[int](ctx, c, "half", 7)
	fmt.Println(err)
	_, err = plexus.Call[int](ctx, c, "third", 7)
	fmt.Println(errors.Is(err, status.UnknownMethod), status.Retryable(err))
	// Output:
	// 21 <nil>
	// invalid_argument: 7 is odd
	// true true
}

// A bound method resolves names and types once. With a value codec its calls allocate nothing.
func ExampleBind() {
	type Point struct{ X, Y float64 }
	srv, c := served("mem://example-bind")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Handle(srv, "mirror", func(_ context.Context, p Point) (Point, error) {
		return Point{p.Y, p.X}, nil
	})
	fatal(err)

	mirror := plexus.Bind[Point, Point](c, "mirror", plexus.WithCodec(codec.Fixed{}))
	p, err := mirror.Call(context.Background(), Point{1, 2})
	fmt.Println(p, err)
	// Output: {2 1} <nil>
}

// Calls that are under way at the same time.
func ExampleBound_Go() {
	srv, c := served("mem://example-go")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Handle(srv, "square", func(_ context.Context, n int) (int, error) { return n * n, nil })
	fatal(err)

	ctx := context.Background()
	square := plexus.Bind[int, int](c, "square")
	var futures []*plexus.Future[int]
	for n := range 4 {
		futures = append(futures, square.Go(ctx, n))
	}
	for _, f := range futures {
		n, err := f.Wait(ctx)
		fmt.Println(n, err)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
}

// A call that is given up. The handler's context ends with it.
func ExampleFuture() {
	srv, c := served("mem://example-future")
	defer srv.Close()
	defer c.Close()
	stopped := make(chan error)
	_, err := plexus.Handle(srv, "forever", func(ctx context.Context, _ struct{}) (struct{}, error) {
		<-ctx.Done()
		stopped <- ctx.Err()
		return struct{}{}, ctx.Err()
	})
	fatal(err)

	ctx := context.Background()
	f := plexus.Bind[struct{}, struct{}](c, "forever").Go(ctx, struct{}{})
	f.Cancel()
	_, err = f.Wait(ctx)
	fmt.Println(status.CodeOf(err))
	fmt.Println("handler:", <-stopped)
	// Output:
	// cancelled
	// handler: context canceled
}

// A method is withdrawn by closing its Registration.
func ExampleHandle() {
	srv, c := served("mem://example-handle")
	defer srv.Close()
	defer c.Close()
	ctx := context.Background()
	reg, err := plexus.Handle(srv, "greet", func(_ context.Context, name string) (string, error) {
		return "hello, " + name, nil
	})
	fatal(err)
	fmt.Println(plexus.Call[string](ctx, c, "greet", "world"))

	fatal(reg.Close(ctx))
	_, err = plexus.Call[string](ctx, c, "greet", "world")
	fmt.Println(status.CodeOf(err))
	// Output:
	// hello, world <nil>
	// unknown_method
}

// The server calls its client: a Peer is a Caller, too.
func ExamplePeer() {
	srv, err := plexus.Listen("mem://example-peer", nil)
	fatal(err)
	defer srv.Close()
	ctx := context.Background()
	c, err := plexus.Dial(ctx, "mem://example-peer", &plexus.DialOptions{ID: "alice"})
	fatal(err)
	defer c.Close()
	_, err = plexus.Handle(c, "name", func(context.Context, struct{}) (string, error) { return "Alice", nil })
	fatal(err)

	fmt.Println(plexus.Call[string](ctx, srv.Peer("alice"), "name", struct{}{}))
	// Output: Alice <nil>
}

// The consumer sets the pace, and tells the producer to stop by leaving the loop.
func ExampleStream() {
	srv, c := served("mem://example-stream")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleStream(srv, "fibonacci", func(_ context.Context, a int, send func(int) error) error {
		for b := a; ; a, b = b, a+b {
			if err := send(a); err != nil {
				return err // the consumer has gone
			}
		}
	})
	fatal(err)

	for n, err := range plexus.Stream[int](context.Background(), c, "fibonacci", 1) {
		fatal(err)
		if n > 20 {
			break
		}
		fmt.Print(n, " ")
	}
	// Output: 1 1 2 3 5 8 13
}

// When the handler returns the stream ends; its error reaches the consumer.
func ExampleHandleStream() {
	srv, c := served("mem://example-handlestream")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleStream(srv, "words", func(_ context.Context, text string, send func(string) error) error {
		for word := range strings.FieldsSeq(text) {
			if err := send(word); err != nil {
				return err
			}
		}
		return status.Errorf(status.DataLoss, "the rest is lost")
	})
	fatal(err)

	for word, err := range plexus.Stream[string](context.Background(), c, "words", "to be or") {
		fmt.Printf("%q %v\n", word, err)
	}
	// Output:
	// "to" <nil>
	// "be" <nil>
	// "or" <nil>
	// "" data_loss: the rest is lost
}

// Many items up, one answer back.
func ExampleOpenUpload() {
	srv, c := served("mem://example-upload")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleUpload(srv, "total", func(_ context.Context, items iter.Seq2[int, error]) (int, error) {
		total := 0
		for n, err := range items {
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	})
	fatal(err)

	ctx := context.Background()
	up, err := plexus.OpenUpload[int, int](ctx, c, "total")
	fatal(err)
	defer up.Close()
	for n := range 101 {
		fatal(up.Send(ctx, n))
	}
	fmt.Println(up.Finish(ctx))
	// Output: 5050 <nil>
}

// Items both ways, each side at its own pace.
func ExampleOpen() {
	srv, c := served("mem://example-open")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleDuplex(srv, "length", func(ctx context.Context, d *plexus.Duplex[int, string]) error {
		for s, err := range d.All(ctx) {
			if err != nil {
				return err
			}
			if err := d.Send(ctx, len(s)); err != nil {
				return err
			}
		}
		return nil
	})
	fatal(err)

	ctx := context.Background()
	d, err := plexus.Open[string, int](ctx, c, "length")
	fatal(err)
	defer d.Close()
	for _, s := range []string{"a", "bb", "ccc"} {
		fatal(d.Send(ctx, s))
	}
	fatal(d.CloseSend())
	for n, err := range d.All(ctx) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

// A stream of bytes for everything that takes an io.Reader or io.Writer.
func ExampleBytes() {
	srv, c := served("mem://example-bytes")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.HandleDuplex(srv, "shout", func(ctx context.Context, d *plexus.Duplex[[]byte, []byte]) error {
		lines := bufio.NewScanner(plexus.Bytes(ctx, d))
		for lines.Scan() {
			if err := d.Send(ctx, []byte(strings.ToUpper(lines.Text())+"!\n")); err != nil {
				return err
			}
		}
		return lines.Err()
	})
	fatal(err)

	ctx := context.Background()
	d, err := plexus.Open[[]byte, []byte](ctx, c, "shout")
	fatal(err)
	defer d.Close()
	stream := plexus.Bytes(ctx, d)
	_, err = io.WriteString(stream, "hello\nworld\n")
	fatal(err)
	fatal(stream.Close())
	all, err := io.ReadAll(stream)
	fmt.Print(string(all))
	fmt.Println(err)
	// Output:
	// HELLO!
	// WORLD!
	// <nil>
}

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
	fmt.Println(status.CodeOf(plexus.Publish(ctx, c, "chat", "hi")))
	_, err = plexus.Declare(srv, "forum", plexus.WithShared())
	fatal(err)
	fmt.Println(status.CodeOf(plexus.Publish(ctx, c, "forum", "hi")))
	// Output:
	// undeclared
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
	l := plexus.On(srv, "note", func(_ context.Context, s string) { heard <- s }, nil)
	defer l.Close()

	fatal(plexus.Send(context.Background(), c, "note", "the door is open"))
	fmt.Println(<-heard)
	// Output: the door is open
}

// A server tells all its peers.
func ExampleBroadcast() {
	srv, c := served("mem://example-broadcast")
	defer srv.Close()
	defer c.Close()
	heard := make(chan int)
	l := plexus.On(c, "tick", func(_ context.Context, n int) { heard <- n }, nil)
	defer l.Close()

	fatal(plexus.Broadcast(context.Background(), srv, "tick", 7))
	fmt.Println(<-heard)
	// Output: 7
}

// Events that do not decode are told apart from those that do.
func ExampleOn() {
	srv, c := served("mem://example-on")
	defer srv.Close()
	defer c.Close()
	heard := make(chan string)
	l := plexus.On(srv, "age",
		func(_ context.Context, n int) { heard <- fmt.Sprint("age ", n) },
		func(err error) { heard <- status.CodeOf(err).String() })
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

// Options are per call: how values are encoded, how urgent it is, whether it may be done twice.
func ExampleOption() {
	type Pair struct{ A, B int32 }
	srv, c := served("mem://example-option")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Handle(srv, "add", func(ctx context.Context, p Pair) (int32, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		fmt.Println("priority", e.Priority, "has time", !e.Time.IsZero())
		return p.A + p.B, nil
	})
	fatal(err)

	fmt.Println(plexus.Call[int32](context.Background(), c, "add", Pair{1, 2},
		plexus.WithCodec(codec.Fixed{}), plexus.WithPriority(7), plexus.WithTime(), plexus.WithIdempotent()))
	// Output:
	// priority 7 has time true
	// 3 <nil>
}

// The process that has the hub is a member like all others, without a socket between.
func ExampleJoin() {
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	defer srv.Close()

	ctx := context.Background()
	alice, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: "alice"})
	fatal(err)
	defer alice.Close()
	bob, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: "bob"})
	fatal(err)
	defer bob.Close()

	_, err = plexus.Handle(alice.Channel("hall"), "who", func(ctx context.Context, _ struct{}) (string, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		return "alice answers " + e.Sender, nil
	})
	fatal(err)
	fmt.Println(plexus.Call[string](ctx, bob.Channel("hall"), "who", struct{}{}))
	// Output: alice answers bob <nil>
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
		}, nil)
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

// What can be dialled and listened to without a transport of one's own.
func ExampleSchemes() {
	fmt.Println(plexus.Schemes())
	// Output: [mem stdio tcp tls unix unixgram unixpacket]
}
