// SPDX-License-Identifier: Apache-2.0

// Command loan passes large payloads by reference: a picture is filled by one process,
// inverted by another, and read by the first, and between processes of one user on Linux
// nothing of it is copied. Elsewhere, over tcp say, the same program copies.
//
//	go run ./examples/loan serve
//	go run ./examples/loan invert
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
	"github.com/plexus-ipc/plexus/session"
)

func main() {
	address := flag.String("address", "example-loan", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: loan [-address a] serve|invert")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "invert":
		err = invert(ctx, *address)
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
	_, err = plexus.Handle(srv, "invert", func(ctx context.Context, picture *session.Loan) (*session.Loan, error) {
		defer picture.Release() // now its sender may use the memory again
		answer := session.LendFor(ctx, len(picture.Bytes()))
		for i, b := range picture.Bytes() {
			answer.Bytes()[i] = ^b
		}
		return answer, nil
	})
	if err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

func invert(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	invert := plexus.Bind[*session.Loan, *session.Loan](c, "invert")
	for size := 1 << 10; size <= 4<<20; size *= 64 {
		picture, err := c.Lend(ctx, size)
		if err != nil {
			return err
		}
		for i := range picture.Bytes() {
			picture.Bytes()[i] = byte(i)
		}
		negative, err := invert.Call(ctx, picture) // the picture is gone with it
		if err != nil {
			return err
		}
		wrong := 0
		for i, b := range negative.Bytes() {
			if b != ^byte(i) {
				wrong++
			}
		}
		negative.Release()
		fmt.Println(size, "bytes,", wrong, "wrong")
	}
	return nil
}
