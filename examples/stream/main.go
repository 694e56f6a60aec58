// SPDX-License-Identifier: Apache-2.0

// Command stream is a method that answers with a stream. The consumer sets the pace and
// may leave at any time, which ends the producer's work at once.
//
//	go run ./examples/stream serve
//	go run ./examples/stream read
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/big"
	"os"
	"os/signal"

	"github.com/plexus-ipc/plexus"
)

// Range asks for the primes from From up to Below, or without end if that is 0.
type Range struct{ From, Below int64 }

func main() {
	address := flag.String("address", "example-stream", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: stream [-address a] serve|read")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "read":
		err = read(ctx, *address)
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
	if _, err := plexus.HandleStream(srv, "primes", primes); err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

// primes sends one item after the other. send waits while the consumer does not keep up,
// so that no queue grows, and fails when the consumer has gone.
func primes(_ context.Context, r Range, send func(int64) error) error {
	for n := r.From; r.Below == 0 || n < r.Below; n++ {
		if !big.NewInt(n).ProbablyPrime(0) {
			continue
		}
		if err := send(n); err != nil {
			fmt.Println("the consumer left")
			return err
		}
	}
	fmt.Println("sent all")
	return nil
}

func read(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()

	count := 0
	for _, err := range plexus.Stream[int64](ctx, c, "primes", Range{0, 10_000}) {
		if err != nil {
			return err
		}
		count++
	}
	fmt.Println(count, "primes below 10000")

	// An endless stream: leaving the loop is all it takes to end it.
	for p, err := range plexus.Stream[int64](ctx, c, "primes", Range{From: 1_000_000}) {
		if err != nil {
			return err
		}
		fmt.Println(p, "is the first above a million")
		break
	}
	return nil
}
