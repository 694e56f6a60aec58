// SPDX-License-Identifier: Apache-2.0

// Command pubsub publishes what is typed to everybody who has subscribed. The first word
// of a line is the topic, which may have several parts.
//
//	go run ./examples/pubsub publish              # type: weather.oslo -3, end with Ctrl-D
//	go run ./examples/pubsub subscribe weather.*  # one part; weather.> is one or more, > is all
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

func main() {
	address := flag.String("address", "example-pubsub", "where the publisher listens")
	flag.Parse()
	ctx := context.Background()
	err := errors.New("usage: pubsub [-address a] publish|subscribe pattern")
	switch flag.Arg(0) {
	case "publish":
		err = publish(ctx, *address)
	case "subscribe":
		err = subscribe(ctx, *address, flag.Arg(1))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func publish(ctx context.Context, address string) error {
	srv, err := plexus.Listen(address, nil)
	if err != nil {
		return err
	}
	defer srv.Close()
	fmt.Println("listening on", srv.Endpoints()[0])

	declared := map[string]bool{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		topic, text, _ := strings.Cut(lines.Text(), " ")
		// A topic is declared before it is published to: a slip of the pen is an error
		// instead of a message that nobody gets.
		if !declared[topic] {
			if _, err := plexus.Declare(srv, topic); err != nil {
				fmt.Println(err)
				continue
			}
			declared[topic] = true
		}
		if err := plexus.Publish(ctx, srv, topic, text); err != nil {
			return err
		}
	}
	return nil
}

func subscribe(ctx context.Context, address, pattern string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	sub, err := plexus.Subscribe[string](ctx, c, pattern)
	if err != nil {
		return err
	}
	defer sub.Close()
	fmt.Println("subscribed to", pattern) // from here on nothing is missed
	for {
		p, err := sub.Next(ctx)
		if errors.Is(err, status.PeerGone) || errors.Is(err, status.Unavailable) {
			fmt.Println("the publisher has gone")
			return nil
		}
		if err != nil {
			return err
		}
		if p.Dropped > 0 { // this process was too slow, and is told
			fmt.Println(p.Dropped, "publications were dropped here")
		}
		fmt.Printf("%s: %s\n", p.Topic, p.Value)
	}
}
