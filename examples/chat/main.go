// SPDX-License-Identifier: Apache-2.0

// Command chat sends events: one-way messages that nobody answers, to all members of a
// channel or to one of them.
//
//	go run ./examples/chat hub
//	go run ./examples/chat join alice    # type: hello
//	go run ./examples/chat join bob      # type: @alice hello yourself; end with Ctrl-D
package main

import (
	"bufio"
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
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
)

func main() {
	address := flag.String("address", "example-chat", "where the hub listens")
	flag.Parse()
	err := errors.New("usage: chat [-address a] hub|join name")
	switch flag.Arg(0) {
	case "hub":
		err = serve(*address)
	case "join":
		err = join(context.Background(), *address, flag.Arg(1))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func serve(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	// The channel outlives its first member.
	h := hub.New(hub.Config{OwnerPolicy: hub.Promote})
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: h})
	if err != nil {
		return err
	}
	defer srv.Close()
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

func join(ctx context.Context, address, name string) error {
	c, err := plexus.Dial(ctx, address, &plexus.DialOptions{ID: name})
	if err != nil {
		return err
	}
	defer c.Close()
	room := c.Channel("room")

	l := plexus.On(room, "say", hear, service.WithOnError(func(err error) { fmt.Println("not understood:", err) }))
	defer l.Close()
	var joined operation.Joined
	if err := room.Operate(ctx, operation.Join, operation.Place{Channel: room.Name()}, &joined); err != nil {
		return err
	}
	fmt.Println("joined as", joined.ID)

	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := say(ctx, room, lines.Text()); err != nil {
			fmt.Println(err)
		}
	}
	return nil
}

// hear is called for one event after the other, in the order of their sender. The hub
// vouches for the sender's name.
func hear(ctx context.Context, text string) {
	e, _ := plexus.EnvelopeOf(ctx)
	if e.Broadcast {
		fmt.Printf("%s: %s\n", e.Sender, text)
		return
	}
	fmt.Printf("%s, to you alone: %s\n", e.Sender, text)
}

// say sends a line to all others, or to one if it begins with @name.
func say(ctx context.Context, room *plexus.Channel, line string) error {
	if name, text, ok := strings.Cut(line, " "); ok && strings.HasPrefix(name, "@") {
		return plexus.Send(ctx, room.At(name[1:]), "say", text)
	}
	return plexus.Broadcast(ctx, room, "say", line)
}
