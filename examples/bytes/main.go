// SPDX-License-Identifier: Apache-2.0

// Command bytes is a stream of bytes inside a call, for everything that takes an io.Reader
// or io.Writer: here the server compresses what the client sends.
//
//	go run ./examples/bytes serve
//	go run ./examples/bytes compress < README.md > README.md.gz
package main

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/plexus-ipc/plexus"
)

func main() {
	address := flag.String("address", "example-bytes", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: bytes [-address a] serve|compress < file > file.gz")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "compress":
		err = compress(ctx, *address, os.Stdin, os.Stdout)
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
	if _, err := plexus.HandleDuplex(srv, "gzip", zip); err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	<-ctx.Done()
	return nil
}

// zip holds little in memory, however much flows through: each side waits for the other.
func zip(ctx context.Context, d *plexus.Duplex[[]byte, []byte]) error {
	stream := plexus.Bytes(ctx, d)
	z := gzip.NewWriter(stream)
	if _, err := io.Copy(z, stream); err != nil {
		return err
	}
	return z.Close()
}

// compress sends in and receives out at the same time.
func compress(ctx context.Context, address string, in io.Reader, out io.Writer) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := plexus.Open[[]byte, []byte](ctx, c, "gzip")
	if err != nil {
		return err
	}
	defer d.Close()
	stream := plexus.Bytes(ctx, d)
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(stream, in)
		sent <- errors.Join(err, stream.Close()) // Close ends this direction only
	}()
	if _, err := io.Copy(out, stream); err != nil {
		return err
	}
	return <-sent
}
