// SPDX-License-Identifier: Apache-2.0

// Command child starts itself as a child process, calls it, and ends it; the child calls
// back, and prints whatever it likes.
//
//	go run ./examples/child
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/supervise"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := child(ctx)
	if errors.Is(err, supervise.ErrNoParent) { // nobody has started this process as a child
		err = parent(ctx)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// parent starts a worker and gives it work.
func parent(ctx context.Context) error {
	// The worker may ask back, so there must be somebody to answer.
	srv, err := plexus.NewServer(nil)
	if err != nil {
		return err
	}
	defer srv.Close()
	_, err = plexus.Handle(srv, "greeting", func(_ context.Context, language string) (string, error) {
		return map[string]string{"en": "hello", "no": "hei"}[language], nil
	})
	if err != nil {
		return err
	}

	worker, err := supervise.Start(ctx, &supervise.Config{
		Argv:   []string{os.Args[0]},
		Server: srv,
		Output: func(l supervise.Line) { fmt.Println("the worker prints:", l.Text) },
	})
	if err != nil {
		return err
	}
	answer, err := plexus.Call[string](ctx, worker.Peer(), "greet", "world")
	if err != nil {
		return err
	}
	fmt.Println("the worker answers:", answer)
	if err := worker.Stop(ctx); err != nil {
		return err
	}
	fmt.Println("the worker has ended:", worker.Err())
	return nil
}

// child is the worker.
func child(ctx context.Context) error {
	p, err := supervise.Connect(ctx, nil)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = plexus.Handle(p.Client(), "greet", func(ctx context.Context, name string) (string, error) {
		fmt.Println("stdout is for everybody")
		word, err := plexus.Call[string](ctx, p.Client(), "greeting", "no")
		return word + ", " + name, err
	})
	if err != nil {
		return err
	}
	if err := p.Ready(); err != nil {
		return err
	}
	<-p.Done() // the parent wants us to end, or has gone
	return nil
}
