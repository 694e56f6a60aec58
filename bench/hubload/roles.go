// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
)

// dial connects n clients at the same time and has f go on with each.
func dial(ctx context.Context, at string, n int, f func(i int, c *plexus.Client) error) ([]*plexus.Client, error) {
	all := make([]*plexus.Client, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if all[i], errs[i] = plexus.Dial(ctx, at, nil); errs[i] == nil {
				errs[i] = f(i, all[i])
			}
		})
	}
	wg.Wait()
	var keep []*plexus.Client
	for i, err := range errs {
		if err != nil {
			return keep, fmt.Errorf("client %d: %w", i, err)
		}
		keep = append(keep, all[i])
	}
	return keep, nil
}

// storm has all join one channel and provide a method each, all at once.
func storm(ctx context.Context, at string) ([]*plexus.Client, error) {
	return dial(ctx, at, *members, func(i int, c *plexus.Client) error {
		ch := c.Channel("storm")
		if _, err := ch.Join(ctx); err != nil {
			return err
		}
		_, err := ch.Offer(ctx, fmt.Sprintf("m%d", i), service.Terms{}, func(c *session.Call) { c.Reply(session.Message{}) })
		return err
	})
}

// join has one client join all channels.
func join(ctx context.Context, at string) ([]*plexus.Client, error) {
	return dial(ctx, at, 1, func(_ int, c *plexus.Client) error {
		for i := range *channels {
			if _, err := c.Channel(fmt.Sprintf("channel-%d", i)).Join(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// subscribe has a hundred clients subscribe to patterns of three kinds, and publishes on
// topics of which each matches a handful.
func subscribe(ctx context.Context, at string) (keep []*plexus.Client, r report, err error) {
	const clients, topics = 100, 300
	per := *subscriptions / clients
	began := time.Now()
	keep, err = dial(ctx, at, clients, func(i int, c *plexus.Client) error {
		for j := range per {
			n := i*per + j
			pattern := []string{fmt.Sprintf("s%d.*", n), fmt.Sprintf("*.x%d", n), fmt.Sprintf("s%d.y.>", n)}[n%3]
			if _, err := c.Channel("load").Subscribe(ctx, pattern, service.SubscribeOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	r.Took = time.Since(began)
	if err != nil {
		return keep, r, err
	}
	c, err := plexus.Dial(ctx, at, nil)
	if err != nil {
		return keep, r, err
	}
	keep = append(keep, c)
	sub, err := c.Channel("load").Subscribe(ctx, "*.q", service.SubscribeOptions{})
	if err != nil {
		return keep, r, err
	}
	var first, next []time.Duration
	for i := range topics {
		name := fmt.Sprintf("s%d.q", i*3*(per/10+1)) // that of a pattern, and of the subscription above
		if _, err := plexus.Declare(c.Channel("load"), name); err != nil {
			return keep, r, err
		}
		for _, took := range []*[]time.Duration{&first, &next, &next} {
			began := time.Now()
			if err := plexus.Publish(ctx, c.Channel("load"), name, []byte("x")); err != nil {
				return keep, r, err
			}
			if _, err := sub.Borrow(ctx); err != nil {
				return keep, r, err
			}
			*took = append(*took, time.Since(began))
		}
	}
	slices.Sort(first)
	slices.Sort(next)
	r.First, r.FirstMax, r.Next = first[len(first)/2], first[len(first)-1], next[len(next)/2]
	return keep, r, nil
}

// call has two clients call each other through the hub.
func call(ctx context.Context, at string) (keep []*plexus.Client, r report, err error) {
	keep, err = dial(ctx, at, 2, func(int, *plexus.Client) error { return nil })
	if err != nil {
		return keep, r, err
	}
	_, err = plexus.Handle(keep[0].Channel("load"), "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	if err != nil {
		return keep, r, err
	}
	echo := plexus.Bind[[]byte, []byte](keep[1].Channel("load"), "echo")
	payload := make([]byte, 64)
	took := make([]time.Duration, 0, *calls)
	began := time.Now()
	for range *calls {
		t := time.Now()
		if _, err := echo.Call(ctx, payload); err != nil {
			return keep, r, err
		}
		took = append(took, time.Since(t))
	}
	r.Rate = float64(*calls) / time.Since(began).Seconds()
	slices.Sort(took)
	r.P50, r.P99 = took[len(took)/2], took[len(took)*99/100]
	var left atomic.Int64
	left.Store(int64(*calls) * 4)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	began = time.Now()
	for range 64 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := echo.Call(ctx, payload); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	r.Parallel = float64(*calls) * 4 / time.Since(began).Seconds()
	if e := failed.Load(); e != nil {
		err = *e
	}
	return keep, r, err
}
