// SPDX-License-Identifier: Apache-2.0

// Command counter offers a typed method to everybody at a hub, and publishes what it
// was asked. It is the Go program of docs/quickstart.md.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/plexus-ipc/plexus"
)

// Count is the answer of text/count. Field tags say how it looks in JSON, which the shell
// and Python read.
type Count struct {
	Words   int `json:"words"`
	Letters int `json:"letters"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := provide(ctx, os.Getenv("PLEXUS_ADDRESS")); err != nil {
		log.Fatal(err)
	}
}

func provide(ctx context.Context, address string) error {
	hub, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer hub.Close()
	text := hub.Channel("text")
	if _, err := plexus.Declare(text, "counted"); err != nil {
		return err
	}
	_, err = plexus.Handle(text, "count", func(ctx context.Context, s string) (Count, error) {
		c := Count{Words: len(strings.Fields(s)), Letters: len(s)}
		return c, plexus.Publish(ctx, text, "counted", c)
	})
	if err != nil {
		return err
	}
	fmt.Println("providing text/count")
	select {
	case <-ctx.Done():
		return nil
	case <-hub.Done():
		return hub.Err()
	}
}
