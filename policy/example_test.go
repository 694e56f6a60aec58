// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/status"
)

// open starts a hub with a provider of math/double, and a client of it. f is asked first.
func open(name string, f func(n int64, ctx context.Context) error) (*plexus.Channel, func()) {
	ctx := context.Background()
	srv, err := plexus.Listen("mem://"+name, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	worker, err := plexus.Dial(ctx, "mem://"+name, nil)
	fatal(err)
	var n atomic.Int64
	_, err = plexus.Handle(worker.Channel("math"), "double", func(ctx context.Context, in int) (int, error) {
		return 2 * in, f(n.Add(1), ctx)
	})
	fatal(err)
	c, err := plexus.Dial(ctx, "mem://"+name, nil)
	fatal(err)
	return c.Channel("math"), func() { c.Close(); worker.Close(); srv.Close() }
}

func fatal(err error) {
	if err != nil {
		panic(err)
	}
}

// A provider that is overloaded for a moment is asked again: that is safe, whatever the call
// does.
func ExampleRetry() {
	math, done := open("example-retry", func(n int64, _ context.Context) error {
		if n < 3 {
			return status.Overloaded
		}
		return nil
	})
	defer done()
	patient := policy.Wrap(math, policy.Retry{Base: time.Millisecond})
	out, err := plexus.Call[int](context.Background(), patient, "double", 21)
	fmt.Println(out, err, patient.Stats().Retries)
	// Output: 42 <nil> 2
}

// A call whose answer is late is sent a second time, and the first answer counts.
func ExampleHedge() {
	math, done := open("example-hedge", func(n int64, ctx context.Context) error {
		if n == 1 { // stuck, until its caller gives up
			<-ctx.Done()
		}
		return ctx.Err()
	})
	defer done()
	quick := policy.Wrap(math, policy.Hedge{Delay: 5 * time.Millisecond})
	out, err := plexus.Call[int](context.Background(), quick, "double", 21, plexus.WithIdempotent())
	fmt.Println(out, err, quick.Stats().HedgesWon)
	// Output: 42 <nil> 1
}

// After too many failures calls are refused at once, until a probe has succeeded.
func ExampleBreaker() {
	math, done := open("example-breaker", func(int64, context.Context) error { return status.Overloaded })
	defer done()
	careful := policy.Wrap(math, policy.Breaker{MinCalls: 5, OnState: func(s policy.BreakerState) {
		fmt.Println(s.Method, "is", s.Phase)
	}})
	for range 7 {
		_, err := plexus.Call[int](context.Background(), careful, "double", 21)
		fmt.Println(status.CodeOf(err), errors.Is(err, policy.ErrOpen))
	}
	// Output:
	// overloaded false
	// overloaded false
	// overloaded false
	// overloaded false
	// math/double is open
	// overloaded false
	// unavailable true
	// unavailable true
}

// A call without a deadline gets one, and the handler is told.
func ExampleTimeout() {
	math, done := open("example-timeout", func(_ int64, ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	defer done()
	bounded := policy.Wrap(math, policy.Timeout{Default: 20 * time.Millisecond})
	_, err := plexus.Call[int](context.Background(), bounded, "double", 21)
	fmt.Println(err)
	// Output: deadline_exceeded: there was no answer within 20ms
}

// No more than two calls are under way, and none waits: the third is refused on this side.
func ExampleLimit() {
	inside, goOn := make(chan struct{}), make(chan struct{})
	math, done := open("example-limit", func(int64, context.Context) error {
		inside <- struct{}{}
		<-goOn
		return nil
	})
	defer done()
	few := policy.Wrap(math, policy.Limit{Calls: 2, Queue: -1})
	ends := make(chan error)
	for range 2 {
		go func() {
			_, err := plexus.Call[int](context.Background(), few, "double", 21)
			ends <- err
		}()
		<-inside
	}
	_, err := plexus.Call[int](context.Background(), few, "double", 21)
	fmt.Println(err)
	close(goOn)
	fmt.Println(<-ends, <-ends)
	// Output:
	// overloaded: too many calls are under way here already
	// <nil> <nil>
}

// Policies compose in the order in which they are given: each attempt goes by the breaker and
// has its own time.
func ExampleWrap() {
	math, done := open("example-wrap", func(n int64, ctx context.Context) error {
		if n == 1 {
			<-ctx.Done()
		}
		return ctx.Err()
	})
	defer done()
	robust := policy.Wrap(math, policy.Retry{Base: time.Millisecond}, policy.Breaker{}, policy.Timeout{Max: 20 * time.Millisecond})
	out, err := plexus.Call[int](context.Background(), robust, "double", 21, plexus.WithIdempotent())
	st, _ := robust.State("double")
	fmt.Println(out, err, st.Phase, st.Calls, st.Failed)
	// Output: 42 <nil> closed 2 1
}
