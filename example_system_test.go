// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// What the hub itself publishes is subscribed to as anything is: on its own channel.
func ExampleSubscribe_system() {
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	defer srv.Close()
	ctx := context.Background()
	watcher, err := plexus.Join(ctx, srv, nil)
	fatal(err)
	defer watcher.Close()
	sub, err := plexus.Subscribe[operation.Event](ctx, watcher.Channel(operation.Channel), "events.provide")
	fatal(err)
	defer sub.Close()

	alice, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: "alice"})
	fatal(err)
	defer alice.Close()
	_, err = plexus.Handle(alice.Channel("hall"), "who", func(context.Context, struct{}) (string, error) { return "alice", nil })
	fatal(err)

	p, err := sub.Next(ctx)
	fatal(err)
	fmt.Println(p.Topic, p.Value.Member, p.Value.Channel, p.Value.Name)
	// Output: events.provide alice hall who
}

// Whoever hits a limit is told which, how much of it is used, and how much may be.
func ExampleHandle_limits() {
	h := hub.New(hub.Config{PerUser: quota.Bounds{Methods: 1}})
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: h})
	fatal(err)
	defer srv.Close()
	ctx := context.Background()
	c, err := plexus.Join(ctx, srv, nil)
	fatal(err)
	defer c.Close()

	answer := func(context.Context, struct{}) (int, error) { return 42, nil }
	_, err = plexus.Handle(c.Channel("x"), "one", answer)
	fatal(err)
	_, err = plexus.Handle(c.Channel("x"), "two", answer)
	limit, _ := service.LimitOf(err)
	fmt.Println(errors.Is(err, status.LimitExceeded), limit.Name, limit.Scope, limit.Usage, limit.Bound)
	fmt.Println(h.Stats().Limits, h.Stats().Methods)
	// Output:
	// true methods user 1 1
	// 1 1
}
