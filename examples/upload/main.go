// SPDX-License-Identifier: Apache-2.0

// Command upload is a method that takes a stream and answers once.
//
//	go run ./examples/upload serve
//	go run ./examples/upload send 3 1 4 1 5
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log"
	"os"
	"os/signal"
	"strconv"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// Summary is what is known of a series of numbers.
type Summary struct {
	Count     int
	Min, Max  float64
	Mean      float64
	Monotonic bool
}

func main() {
	address := flag.String("address", "example-upload", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: upload [-address a] serve|send numbers")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "send":
		err = send(ctx, *address, flag.Args()[1:])
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
	if _, err := plexus.HandleUpload(srv, "summarize", summarize); err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

// summarize takes the items as they come; none is kept. An error in the range is a caller
// who gave up.
func summarize(_ context.Context, items iter.Seq2[float64, error]) (Summary, error) {
	s := Summary{Monotonic: true}
	total, last := 0.0, 0.0
	for x, err := range items {
		if err != nil {
			return s, err
		}
		if s.Count == 0 {
			s.Min, s.Max, last = x, x, x
		}
		s.Count++
		s.Min, s.Max = min(s.Min, x), max(s.Max, x)
		s.Monotonic = s.Monotonic && x >= last
		total, last = total+x, x
	}
	if s.Count == 0 {
		return s, status.Errorf(status.InvalidArgument, "there is nothing to summarize: send at least one number")
	}
	s.Mean = total / float64(s.Count)
	return s, nil
}

func send(ctx context.Context, address string, numbers []string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()

	up, err := plexus.OpenUpload[float64, Summary](ctx, c, "summarize")
	if err != nil {
		return err
	}
	defer up.Close() // gives it up if it was not finished
	for _, n := range numbers {
		x, err := strconv.ParseFloat(n, 64)
		if err != nil {
			return err
		}
		if err := up.Send(ctx, x); err != nil {
			return err
		}
	}
	s, err := up.Finish(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%+v\n", s)
	return nil
}
