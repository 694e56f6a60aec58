// SPDX-License-Identifier: Apache-2.0

// Command secret is a server for those who know a secret. Each side proves to the other
// that it knows it; the secret itself never travels. On a unix socket the kernel has said
// before which user the other side is.
//
//	export SECRET='correct horse battery staple'
//	go run ./examples/secret serve
//	go run ./examples/secret call
//	SECRET=guess go run ./examples/secret call
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
	"github.com/plexus-ipc/plexus/status"
)

func main() {
	address := flag.String("address", "tcp://127.0.0.1:4007", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: secret [-address a] serve|call, with the secret in the environment as SECRET")
	secret := []byte(os.Getenv("SECRET"))
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address, secret)
	case "call":
		err = call(ctx, *address, secret)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, address string, secret []byte) error {
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Secret: secret})
	if err != nil {
		return err
	}
	defer srv.Close()
	_, err = plexus.Handle(srv, "open", func(context.Context, string) (string, error) { return "the door is open", nil })
	if err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

func call(ctx context.Context, address string, secret []byte) error {
	// With a secret the client, too, insists: a server that cannot prove it gets nothing.
	c, err := plexus.Dial(ctx, address, &plexus.DialOptions{Secret: secret})
	if errors.Is(err, status.Unauthenticated) {
		fmt.Println("refused:", status.CodeOf(err))
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println(plexus.Call[string](ctx, c, "open", "sesame"))
	return nil
}
