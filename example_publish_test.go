// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// market returns a channel of a hub for each of two members.
func market() (seller, buyer *plexus.Channel, end func()) {
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	a, err := plexus.Join(context.Background(), srv, &plexus.DialOptions{ID: "seller"})
	fatal(err)
	b, err := plexus.Join(context.Background(), srv, &plexus.DialOptions{ID: "buyer"})
	fatal(err)
	return a.Channel("market"), b.Channel("market"), func() {
		a.Close()
		b.Close()
		srv.Close()
	}
}

// A topic keeps its last values for those who come later.
func ExamplePublish_replay() {
	seller, buyer, end := market()
	defer end()
	_, err := plexus.Declare(seller, "price", service.WithKeep(2), service.WithKeepAge(time.Hour))
	fatal(err)
	ctx := context.Background()
	var r operation.Receipt
	for price := range 4 {
		fatal(plexus.Publish(ctx, seller, "price", price, service.WithReceipt(&r)))
	}
	sub, err := plexus.Subscribe[int](ctx, buyer, "price", service.WithReplay(10))
	fatal(err)
	defer sub.Close()
	fatal(plexus.Publish(ctx, seller, "price", 4))
	for range 3 {
		p, err := sub.Next(ctx)
		fmt.Println(p.Value, p.Replayed, err)
	}
	// Output:
	// 2 true <nil>
	// 3 true <nil>
	// 4 false <nil>
}

// A publisher may learn who has got what it published.
func ExamplePublish_acknowledged() {
	seller, buyer, end := market()
	defer end()
	_, err := plexus.Declare(seller, "price")
	fatal(err)
	ctx := context.Background()
	var r operation.Receipt
	fatal(plexus.Publish(ctx, seller, "price", 1, service.WithReceipt(&r)))
	fmt.Println(r.Matched, r.Complete())

	sub, err := plexus.Subscribe[int](ctx, buyer, "price")
	fatal(err)
	defer sub.Close()
	taken := make(chan int)
	go func() {
		p, _ := sub.Next(ctx)
		taken <- p.Value
	}()
	fatal(plexus.Publish(ctx, seller, "price", 2, service.WithReceipt(&r)))
	fmt.Println(<-taken, r.Receivers, r.Complete())

	soon, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	fatal(plexus.Publish(soon, seller, "price", 3, service.WithReceipt(&r))) // nobody reads now
	fmt.Println(r.Missed, r.Complete())
	// Output:
	// 0 false
	// 2 [buyer] true
	// [{buyer deadline}] false
}

// A subscriber that must not miss anything holds up the publisher for a short time instead.
func ExampleSubscribe_block() {
	seller, buyer, end := market()
	defer end()
	_, err := plexus.Declare(seller, "step")
	fatal(err)
	ctx := context.Background()
	sub, err := plexus.Subscribe[int](ctx, buyer, "step", plexus.WithQueue(8, operation.Block),
		service.WithQueueBytes(1<<20), service.WithBlock(20*time.Millisecond, operation.DropNewest))
	fatal(err)
	defer sub.Close()
	for n := range 100 {
		fatal(plexus.Publish(ctx, seller, "step", n))
	}
	for n, err := range sub.All(ctx) {
		if err != nil || n == 99 {
			fmt.Println(n, err, sub.Dropped())
			break
		}
	}
	// Output: 99 <nil> 0
}

// A direct peer says what takes a hub.
func ExampleDeclare_direct() {
	srv, c := served("mem://example-direct-keep")
	defer srv.Close()
	defer c.Close()
	_, err := plexus.Declare(srv, "price", service.WithKeep(1))
	fmt.Println(status.CodeOf(err))
	_, err = plexus.Subscribe[int](context.Background(), c, "price", service.WithReplay(1))
	fmt.Println(err)
	// Output:
	// unimplemented
	// unimplemented: a direct peer keeps no values for later: that takes a hub (hub.New, plexus serve)
}
