// SPDX-License-Identifier: Apache-2.0

// Command cancel shows how calls end that do not end well: deadlines and cancellations
// travel to the handler, and each way has a code of its own.
//
//	go run ./examples/cancel serve
//	go run ./examples/cancel call
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

func main() {
	address := flag.String("address", "example-cancel", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: cancel [-address a] serve|call")
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
	_, err = plexus.Handle(srv, "sleep", func(ctx context.Context, d time.Duration) (string, error) {
		select {
		case <-time.After(d):
			return "slept well", nil
		case <-ctx.Done(): // the caller's time is up, or it gave up, or it has died
			fmt.Println("woken")
			return "", ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

func call(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	sleep := plexus.Bind[time.Duration, string](c, "sleep")

	fmt.Println(sleep.Call(ctx, time.Millisecond))

	// The rest of the time travels with the call.
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = sleep.Call(short, time.Hour)
	fmt.Println(status.CodeOf(err), errors.Is(err, context.DeadlineExceeded))

	// A context that is cancelled, here by a clock, gives the call up.
	gone, cancel := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = sleep.Call(gone, time.Hour)
	fmt.Println(status.CodeOf(err), errors.Is(err, context.Canceled))

	// Nobody there is known at once, whatever the deadline.
	_, err = plexus.Call[string](ctx, c, "dream", time.Hour)
	fmt.Println(status.CodeOf(err), status.Retryable(err))
	return nil
}
