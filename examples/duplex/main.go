// SPDX-License-Identifier: Apache-2.0

// Command duplex is a conversation inside one call: items go both ways, each side at its
// own pace. The server guesses a number, the client says whether it is lower or higher.
//
//	go run ./examples/duplex serve
//	go run ./examples/duplex play 42
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strconv"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

func main() {
	address := flag.String("address", "example-duplex", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: duplex [-address a] serve|play number")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "play":
		err = play(ctx, *address, flag.Arg(1))
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
	if _, err := plexus.HandleDuplex(srv, "guess", guess); err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

// guess sends guesses and receives what to think of them: less than 0 if the number is
// lower, 0 if that is it. The stream ends when guess returns.
func guess(ctx context.Context, d *plexus.Duplex[int, int]) error {
	for low, high := 1, 100; low <= high; {
		middle := (low + high) / 2
		if err := d.Send(ctx, middle); err != nil {
			return err
		}
		hint, err := d.Recv(ctx)
		switch {
		case err != nil:
			return err
		case hint == 0:
			return nil
		case hint < 0:
			high = middle - 1
		default:
			low = middle + 1
		}
	}
	return status.Errorf(status.FailedPrecondition, "there is no such number from 1 to 100")
}

func play(ctx context.Context, address, text string) error {
	number, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := plexus.Open[int, int](ctx, c, "guess")
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		g, err := d.Recv(ctx)
		if errors.Is(err, io.EOF) {
			fmt.Println("found")
			return nil
		}
		if err != nil {
			return err // such as "there is no such number"
		}
		fmt.Println("is it", g)
		if err := d.Send(ctx, cmp.Compare(number, g)); err != nil {
			return err
		}
	}
}
