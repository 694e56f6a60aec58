// SPDX-License-Identifier: Apache-2.0

// Command store offers the methods of a Go value, a topic and a listener as one service:
// they come together and they go together. The server also refuses to offer it twice.
//
//	go run ./examples/service/store serve
//	go run ./examples/service/store use
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

func main() {
	address := flag.String("address", "example-store", "where the server listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("usage: store [-address a] serve|use")
	switch flag.Arg(0) {
	case "serve":
		err = serve(ctx, *address)
	case "use":
		err = use(ctx, *address)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// Part is how many there are of something.
type Part struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// Store is what the service offers: put, take, list and count.
type Store struct {
	low func(Part) // called when there is little left

	mu    sync.Mutex
	parts map[string]int
}

// Put adds parts and says how many there are now: a call.
func (s *Store) Put(_ context.Context, p Part) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[p.Name] += p.N
	return s.parts[p.Name], nil
}

// Take removes parts and says how many are left.
func (s *Store) Take(_ context.Context, p Part) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.parts[p.Name] - p.N
	if left < 0 {
		return 0, status.Errorf(status.FailedPrecondition, "there are only %d of %s", s.parts[p.Name], p.Name)
	}
	s.parts[p.Name] = left
	if left < 2 {
		s.low(Part{p.Name, left})
	}
	return left, nil
}

// List answers with a stream.
func (s *Store) List(_ context.Context, _ struct{}) iter.Seq2[Part, error] {
	s.mu.Lock()
	parts := maps.Clone(s.parts)
	s.mu.Unlock()
	return func(yield func(Part, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			if !yield(Part{name, parts[name]}, nil) {
				return
			}
		}
	}
}

// Count takes a stream and answers once.
func (s *Store) Count(_ context.Context, names iter.Seq2[string, error]) (int, error) {
	n := 0
	for name, err := range names {
		if err != nil {
			return 0, err
		}
		s.mu.Lock()
		n += s.parts[name]
		s.mu.Unlock()
	}
	return n, nil
}

// Empty is for this program alone: it is left out of the service.
func (s *Store) Empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.parts)
}

// collect makes the service. Nobody can use it before it is attached.
func collect(store *Store) (*service.Service, error) {
	svc := service.New()
	if err := svc.AddMethods(store, map[string]string{"Empty": ""}); err != nil {
		return nil, err
	}
	if _, err := plexus.Declare(svc, "low"); err != nil {
		return nil, err
	}
	plexus.On(svc, "fire", func(context.Context, string) { store.Empty() })
	return svc, nil
}

func serve(ctx context.Context, address string) error {
	srv, err := plexus.Listen(address, nil)
	if err != nil {
		return err
	}
	defer srv.Close()
	store := &Store{parts: make(map[string]int)}
	store.low = func(p Part) { _ = plexus.Publish(ctx, srv, "low", p) }
	svc, err := collect(store)
	if err != nil {
		return err
	}
	offered, err := svc.Attach(ctx, srv)
	if err != nil {
		return err
	}
	fmt.Println("listening on", srv.Endpoints()[0])
	_, err = svc.Attach(ctx, srv)
	fmt.Println(err)
	<-ctx.Done()
	return offered.Close(context.WithoutCancel(ctx))
}

func use(ctx context.Context, address string) error {
	c, err := plexus.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	low, err := plexus.Subscribe[Part](ctx, c, "low")
	if err != nil {
		return err
	}
	defer low.Close()
	for _, p := range []Part{{"bolt", 7}, {"nut", 5}} {
		if _, err := plexus.Call[int](ctx, c, "put", p); err != nil {
			return err
		}
	}
	left, err := plexus.Call[int](ctx, c, "take", Part{"bolt", 6})
	fmt.Println(left, err)
	p, err := low.Next(ctx)
	fmt.Println("few left:", p.Value, err)
	_, err = plexus.Call[int](ctx, c, "take", Part{"bolt", 6})
	fmt.Println(err)
	for part, err := range plexus.Stream[Part](ctx, c, "list", struct{}{}) {
		fmt.Println(part, err)
	}
	up, err := plexus.OpenUpload[string, int](ctx, c, "count")
	if err != nil {
		return err
	}
	defer up.Close()
	for _, name := range []string{"bolt", "nut"} {
		if err := up.Send(ctx, name); err != nil {
			return err
		}
	}
	n, err := up.Finish(ctx)
	fmt.Println("in all:", n, err)
	return plexus.Send(ctx, c, "fire", "in the attic")
}
