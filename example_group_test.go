// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
)

// Two workers provide one method; calls with the same key go to the same of them. A third
// method is answered by everybody.
func Example_group() {
	ctx := context.Background()
	srv, err := plexus.Listen("mem://example-group", &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	defer srv.Close()
	for _, name := range []string{"ann", "bob"} {
		worker, err := plexus.Dial(ctx, "mem://example-group", nil)
		fatal(err)
		defer worker.Close()
		jobs := worker.Channel("jobs")
		who := func(context.Context, string) (string, error) { return name, nil }
		_, err = plexus.Handle(jobs, "resize", who, service.WithGroup("workers"),
			service.WithBalance(operation.Sticky), service.WithCapacity(4), plexus.WithIdempotent())
		fatal(err)
		_, err = plexus.Handle(jobs, "roll-call", who, service.WithGroup("workers"), service.WithBalance(operation.All))
		fatal(err)
	}

	c, err := plexus.Dial(ctx, "mem://example-group", nil)
	fatal(err)
	defer c.Close()
	jobs := c.Channel("jobs")
	first, err := plexus.Call[string](ctx, jobs, "resize", "cat.png", service.WithKey("cat"))
	fatal(err)
	again, err := plexus.Call[string](ctx, jobs, "resize", "cat.png", service.WithKey("cat"))
	fatal(err)
	fmt.Println("the same:", first == again)

	all, err := plexus.Call[[]operation.Answer](ctx, jobs, "roll-call", "who is there?")
	fatal(err)
	for _, a := range all {
		fmt.Printf("%s\n", a.Value)
	}
	// Output:
	// the same: true
	// "ann"
	// "bob"
}
