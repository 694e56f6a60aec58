// SPDX-License-Identifier: Apache-2.0

// Command callback is a server that asks its caller a question while it serves the call.
//
//	go run ./examples/callback serve
//	go run ./examples/callback deploy yes
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
	address := flag.String("address", "example-callback", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: callback [-address a] serve|deploy yes|deploy no")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "deploy":
		err = deploy(ctx, *address, flag.Arg(1) == "yes")
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
	_, err = plexus.Handle(srv, "deploy", func(ctx context.Context, version string) (string, error) {
		// Who called stands in the envelope; a Peer can be called like a server. The
		// caller's deadline holds for the question, too.
		e, _ := plexus.EnvelopeOf(ctx)
		caller := srv.Peer(e.Sender)
		if caller == nil {
			return "", status.Errorf(status.PeerGone, "the caller has gone")
		}
		sure, err := plexus.Call[bool](ctx, caller, "confirm", "deploy "+version+"?")
		if err != nil {
			return "", err
		}
		if !sure {
			return "", status.Errorf(status.FailedPrecondition, "%s was not confirmed", version)
		}
		return version + " is deployed", nil
	})
	if err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

func deploy(ctx context.Context, address string, answer bool) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	// A client offers methods just as a server does.
	_, err = plexus.Handle(c, "confirm", func(_ context.Context, question string) (bool, error) {
		fmt.Println("asked:", question)
		return answer, nil
	})
	if err != nil {
		return err
	}
	done, err := plexus.Call[string](ctx, c, "deploy", "v1.2")
	if err != nil {
		fmt.Println(err)
		return nil
	}
	fmt.Println(done)
	return nil
}
