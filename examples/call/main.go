// SPDX-License-Identifier: Apache-2.0

// Command call is a direct conversation: one process listens, another calls it.
//
//	go run ./examples/call serve
//	go run ./examples/call call
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/status"
)

// Div is a request and Quotient its answer: plain Go types that both processes know.
type Div struct{ A, B int }

// Quotient is what Div gives.
type Quotient struct{ Quotient, Rest int }

func main() {
	address := flag.String("address", "example-call", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: call [-address a] serve|call")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "call":
		err = call(ctx, *address)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, address string) error {
	srv, err := plexus.Listen(address, nil)
	if err != nil {
		return err
	}
	defer srv.Close()
	if _, err := plexus.Handle(srv, "divide", divide); err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

// divide runs for many callers at the same time. An error with a code keeps it on its way
// to the caller.
func divide(_ context.Context, in Div) (Quotient, error) {
	if in.B == 0 {
		return Quotient{}, status.Errorf(status.InvalidArgument, "%d cannot be divided by 0", in.A)
	}
	return Quotient{in.A / in.B, in.A % in.B}, nil
}

func call(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()

	// The simplest way: the result type, the method, the request.
	q, err := plexus.Call[Quotient](ctx, c, "divide", Div{17, 5})
	if err != nil {
		return err
	}
	fmt.Println("17 / 5 =", q.Quotient, "rest", q.Rest)

	// Errors are compared by code.
	_, err = plexus.Call[Quotient](ctx, c, "divide", Div{17, 0})
	fmt.Println(err, "-", errors.Is(err, status.InvalidArgument))

	// For methods called often: names and types are resolved once, and with a codec of
	// fixed size a call allocates nothing. Go does not wait for the answer.
	divide := plexus.Bind[Div, Quotient](c, "divide", plexus.WithCodec(codec.Fixed{}))
	first, second := divide.Go(ctx, Div{100, 7}), divide.Go(ctx, Div{100, 9})
	for _, f := range []*plexus.Future[Quotient]{first, second} {
		q, err := f.Wait(ctx)
		if err != nil {
			return err
		}
		fmt.Println(q.Quotient, "rest", q.Rest)
	}
	return nil
}
