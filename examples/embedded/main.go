// SPDX-License-Identifier: Apache-2.0

// Command embedded is a program with a hub inside: it is a member itself, without a socket
// to its own hub, and other processes join it.
//
//	go run ./examples/embedded run
//	go run ./examples/embedded ask
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync/atomic"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
)

func main() {
	address := flag.String("address", "example-embedded", "where the hub listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: embedded [-address a] run|ask")
	switch flag.Arg(0) {
	case "run":
		err = run(ctx, *address)
	case "ask":
		err = ask(ctx, *address)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address string) error {
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{ID: "app"})})
	if err != nil {
		return err
	}
	defer srv.Close()

	// The program's own client of its own hub.
	self, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: "core"})
	if err != nil {
		return err
	}
	defer self.Close()
	var counter atomic.Int64
	_, err = plexus.Handle(self.Channel("app"), "next", func(context.Context, struct{}) (int64, error) {
		return counter.Add(1), nil
	})
	if err != nil {
		return err
	}

	// Within the process the same call works, and takes no socket.
	n, err := plexus.Call[int64](ctx, self.Channel("app"), "next", struct{}{})
	if err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	fmt.Println("inside:", n)
	<-ctx.Done()
	return nil
}

func ask(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := plexus.Call[int64](ctx, c.Channel("app"), "next", struct{}{})
	if err != nil {
		return err
	}
	fmt.Println("outside:", n)
	return nil
}
