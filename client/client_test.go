// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Many first uses at once make one connection.
func TestFirstUseConnectsOnce(t *testing.T) {
	srv := server.New(server.Config{})
	defer srv.Close()
	if _, err := srv.Offer(t.Context(), "echo", service.Terms{}, func(c *session.Call) { c.Reply(session.Message{}) }); err != nil {
		t.Fatal(err)
	}
	var dials atomic.Int32
	var wg sync.WaitGroup
	c := client.New(client.Config{Dial: func(context.Context) (transport.Conn, error) {
		dials.Add(1)
		near, far := mem.Pipe()
		wg.Go(func() { srv.ServeConn(far, true) })
		return near, nil
	}})
	if c.ID() != "" || c.Err() != nil {
		t.Error("a client that has not connected has an id or an error")
	}
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if _, err := c.Method("echo").Call(t.Context(), session.Message{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
	if x := c.Channel("x"); c.Channel("x") != x || c.Channel("") == nil {
		t.Error("a channel has two handles")
	}
	c.Close()
	wg.Wait()
	if _, err := c.Method("echo").Call(t.Context(), session.Message{}, nil); err == nil || !status.Retryable(err) {
		t.Errorf("after Close: %v", err)
	}
}

// The end of one caller's context does not spoil the connection for another.
func TestImpatientFirstCaller(t *testing.T) {
	release := make(chan struct{})
	srv := server.New(server.Config{})
	defer srv.Close()
	var wg sync.WaitGroup
	var dials atomic.Int32
	began := make(chan struct{}, 2)
	c := client.New(client.Config{Dial: func(ctx context.Context) (transport.Conn, error) {
		dials.Add(1)
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		near, far := mem.Pipe()
		wg.Go(func() { srv.ServeConn(far, true) })
		return near, nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- c.Connect(ctx) }()
	<-began
	go func() { second <- c.Connect(t.Context()) }()
	cancel()
	if err := <-first; !errors.Is(err, status.Cancelled) {
		t.Errorf("the first: %v", err)
	}
	<-began
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the second: %v", err)
	}
	c.Close()
	wg.Wait()
}

// Close ends an attempt to connect.
func TestCloseDuringDial(t *testing.T) {
	began := make(chan struct{})
	c := client.New(client.Config{Dial: func(ctx context.Context) (transport.Conn, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	failed := make(chan error, 1)
	go func() { failed <- c.Connect(t.Context()) }()
	<-began
	c.Close()
	if err := <-failed; err == nil {
		t.Error("connected after Close")
	}
}
