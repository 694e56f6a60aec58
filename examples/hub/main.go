// SPDX-License-Identifier: Apache-2.0

// Command hub shows processes that meet in a channel of a hub: one provides a method,
// another consumes it; neither knows where the other is, or in which order they start
// and end.
//
//	go run ./examples/hub hub        # or: go run ./cmd/plexus serve --address example-hub
//	go run ./examples/hub provide
//	go run ./examples/hub consume
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/status"
)

func main() {
	address := flag.String("address", "example-hub", "where the hub listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: hub [-address a] hub|provide|consume")
	switch flag.Arg(0) {
	case "hub":
		err = serve(ctx, *address)
	case "provide":
		err = provide(ctx, *address)
	case "consume":
		err = consume(ctx, *address)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// serve is all that there is to a hub.
func serve(ctx context.Context, address string) error {
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	if err != nil {
		return err
	}
	defer srv.Close()
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

func provide(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	// Offering something makes this process a member of the channel, and the first member
	// its owner. One method has one provider: a second one is refused.
	_, err = plexus.Handle(c.Channel("text"), "count", func(_ context.Context, text string) (int, error) {
		return len(strings.Fields(text)), nil
	})
	if err != nil {
		return err
	}
	fmt.Println("providing text/count")
	select {
	case <-ctx.Done():
		return nil
	case <-c.Done():
		return c.Err() // the hub has gone
	}
}

func consume(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	text := c.Channel("text")
	n, err := plexus.Call[int](ctx, text, "count", "to be or not to be")
	if errors.Is(err, status.NoProvider) {
		return fmt.Errorf("nobody provides text/count now, try again: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Println(n, "words")

	_, err = plexus.Call[int](ctx, text, "weigh", "to be or not to be")
	fmt.Println(status.CodeOf(err), "- retry is safe:", status.Retryable(err))
	return nil
}
