// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
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
	started, stopped := make(chan bool), make(chan error, 1)
	_, err := plexus.Handle(srv, "forever", func(ctx context.Context, _ struct{}) (struct{}, error) {
		close(started)
		<-ctx.Done()
		stopped <- ctx.Err()
		return struct{}{}, ctx.Err()
	})
	fatal(err)

	ctx := context.Background()
	f := plexus.Bind[struct{}, struct{}](c, "forever").Go(ctx, struct{}{})
	<-started
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
	srv, c := served("mem://example-peer")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Handle(c, "name", func(context.Context, struct{}) (string, error) { return "Alice", nil })
	fatal(err)
	_, err = plexus.Handle(srv, "greet", func(ctx context.Context, _ struct{}) (string, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		name, err := plexus.Call[string](ctx, srv.Peer(e.Sender), "name", struct{}{})
		return "hello, " + name, err
	})
	fatal(err)

	fmt.Println(plexus.Call[string](context.Background(), c, "greet", struct{}{}))
	// Output: hello, Alice <nil>
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

// fake answers every call with itself.
type fake string

// Method implements plexus.Caller.
func (f fake) Method(string) session.Invoker { return f }

// Call implements session.Invoker.
func (f fake) Call(_ context.Context, m session.Message, dst []byte) (session.Reply, error) {
	return session.Reply{Codec: m.Codec, Payload: append(dst, f...)}, nil
}

// Open implements session.Invoker.
func (f fake) Open(context.Context, session.Shape, session.Message) (*session.Stream, error) {
	return nil, errors.ErrUnsupported
}

// What takes a Caller can be given a client, a channel, a peer, or a fake in a test.
func ExampleCaller() {
	type Weather struct{ Degrees int }
	dress := func(ctx context.Context, c plexus.Caller) string {
		w, err := plexus.Call[Weather](ctx, c, "weather", "oslo")
		if err == nil && w.Degrees < 0 {
			return "coat"
		}
		return "shirt"
	}
	fmt.Println(dress(context.Background(), fake(`{"Degrees": -3}`)))
	// Output: coat
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
	bob, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: "bob", Metadata: map[string]string{"role": "guest"}})
	fatal(err)
	defer bob.Close()

	_, err = plexus.Handle(alice.Channel("hall"), "who", func(ctx context.Context, _ struct{}) (string, error) {
		e, _ := plexus.EnvelopeOf(ctx)
		return "alice answers " + e.Sender, nil
	})
	fatal(err)
	fmt.Println(plexus.Call[string](ctx, bob.Channel("hall"), "who", struct{}{}))

	// What only hubs know are operations.
	var all operation.MemberList
	fatal(alice.Operate(ctx, operation.Members, operation.Place{}, &all))
	for _, m := range all.Members {
		fmt.Println(m.ID, m.Metadata)
	}
	// Unordered output:
	// alice answers bob <nil>
	// alice map[]
	// bob map[role:guest]
}
