// SPDX-License-Identifier: Apache-2.0

// Command netconn speaks a protocol of its own, here HTTP, over a plain net.Conn that
// keeps the rules of all Plexus addresses: a socket file for the owner alone from its
// first instant, one listener per path, and nothing to remove by hand after a crash.
//
//	go run ./examples/netconn -address unix:///tmp/netconn/s serve
//	go run ./examples/netconn -address unix:///tmp/netconn/s get
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

func main() {
	address := flag.String("address", "tcp://127.0.0.1:4008", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var streams transport.StreamTransport = socket.New()
	ep, err := endpoint.Parse(*address)
	if err != nil {
		log.Fatal(err)
	}
	err = errors.New("usage: netconn [-address a] serve|get")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, streams, ep)
	case "get":
		err = get(ctx, streams, ep)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, streams transport.StreamTransport, ep endpoint.Endpoint) error {
	l, err := streams.ListenStream(ctx, ep, nil)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "you asked for", r.URL.Path)
	})}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	// The listener knows its real address, as those of Plexus do.
	fmt.Println("listening on", l.(interface{ Endpoint() endpoint.Endpoint }).Endpoint())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func get(ctx context.Context, streams transport.StreamTransport, ep endpoint.Endpoint) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return streams.DialStream(ctx, ep, nil) }
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://plexus/hello", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}
