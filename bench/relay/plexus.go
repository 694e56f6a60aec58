// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
)

// startByte begins the measured part of a round; lastByte ends a payload that is the last.
const (
	startByte = 255
	lastByte  = 255
)

// metered prints what this process uses between a line on standard input and its end.
func metered() {
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	m := begin()
	_, _ = in.ReadString('\n')
	u := m.end()
	debug.FreeOSMemory() // what the hub needs at rest shows after it
	if *profile != "" {
		h, err := os.Create(filepath.Join(*profile, *role+".heap.pprof"))
		check(err)
		check(pprof.WriteHeapProfile(h))
		h.Close()
	}
	print(u)
}

func print(u used) {
	b, err := json.Marshal(u)
	check(err)
	fmt.Println(string(b))
}

func plexusHub(j job) {
	srv, err := plexus.Listen(j.At, &plexus.ListenOptions{Hub: hub.New(hub.Config{DefaultQueueBytes: 256 << 20})})
	check(err)
	fmt.Println(j.At)
	metered()
	srv.Close()
}

func join(j job) (*plexus.Client, *plexus.Channel) {
	c, err := plexus.Dial(context.Background(), j.At, nil)
	check(err)
	return c, c.Channel("bench")
}

func plexusPublisher(j job) {
	c, ch := join(j)
	defer c.Close()
	_, err := plexus.Declare(ch, "topic")
	check(err)
	fmt.Println("declared")
	ctx := context.Background()
	topic := func(p []byte) { check(plexus.Publish(ctx, ch, "topic", p)) }
	pace(j, topic, func() {})
}

// pace publishes as much as the subscribers keep up with.
func pace(j job, publish func([]byte), flush func()) {
	a := newAhead(j)
	a.awaitAll() // every subscriber has subscribed
	payload := make([]byte, j.Size)
	for range j.Warm {
		a.step(flush)
		publish(payload)
	}
	flush()
	a.until(j.Warm / a.stride * a.stride)
	fmt.Println("warm")
	a.awaitStart()
	m := begin()
	for range j.N {
		a.step(flush)
		publish(payload)
	}
	flush()
	u := m.end()
	payload[0] = lastByte
	for !a.over() { // one may be dropped
		publish(payload)
		flush()
		time.Sleep(10 * time.Millisecond)
	}
	print(u)
}

func plexusSubscriber(j job) {
	ctx := context.Background()
	subs := make([]*plexus.Subscription[[]byte], j.Fan)
	for i := range subs {
		c, ch := join(j)
		defer c.Close()
		var err error
		subs[i], err = plexus.Subscribe[[]byte](ctx, ch, "topic", plexus.WithQueue(64<<10, operation.DropOldest))
		check(err)
	}
	collect(j, func(i int, each func(last bool) bool) (dropped uint64) {
		for j.Borrow {
			p, err := subs[i].Borrow(ctx)
			check(err)
			if each(p.Payload[0] == lastByte) {
				return subs[i].Dropped()
			}
		}
		for p, err := range subs[i].All(ctx) {
			check(err)
			if each(p[0] == lastByte) {
				break
			}
		}
		return subs[i].Dropped()
	})
}

// collect runs a consumer for each connection, counts and tells of the progress. each
// reports whether that was all.
func collect(j job, consume func(i int, each func(last bool) bool) uint64) {
	var (
		wg    sync.WaitGroup
		once  sync.Once
		m     *meter
		mu    sync.Mutex
		total used
	)
	stride := strideOf(j)
	for i := range j.Fan {
		_, _ = os.Stdout.Write([]byte{byte(i)}) // subscribed
		wg.Go(func() {
			n := 0
			dropped := consume(i, func(last bool) bool {
				if last {
					return true
				}
				if n++; n%stride == 0 {
					_, _ = os.Stdout.Write([]byte{byte(i)})
				}
				if n == j.Warm+1 {
					once.Do(func() { m = begin() })
				}
				return false
			})
			u := m.end()
			mu.Lock()
			defer mu.Unlock()
			u.Count, u.Dropped = total.Count+n-j.Warm, total.Dropped+dropped
			total = u
		})
	}
	wg.Wait()
	total.write(j.Result)
}

func plexusProvider(j job) {
	c, ch := join(j)
	defer c.Close()
	_, err := plexus.Handle(ch, "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	check(err)
	fmt.Println("ready")
	metered()
}

func plexusCaller(j job) {
	c, ch := join(j)
	defer c.Close()
	echo := plexus.Bind[[]byte, []byte](ch, "echo")
	callAll(j, func(_ int, p []byte) int {
		out, err := echo.Call(context.Background(), p)
		check(err)
		return len(out)
	})
}

// callAll calls from as many goroutines as wanted and measures.
func callAll(j job, call func(caller int, p []byte) int) {
	loop := func(n int) (all []time.Duration) {
		lat := make([][]time.Duration, j.Fan)
		var wg sync.WaitGroup
		for i := range j.Fan {
			wg.Go(func() {
				payload, own := make([]byte, j.Size), make([]time.Duration, 0, n)
				for range n {
					t := time.Now()
					if got := call(i, payload); got != j.Size {
						panic(fmt.Sprintf("%d bytes came back", got))
					}
					own = append(own, time.Since(t))
				}
				lat[i] = own
			})
		}
		wg.Wait()
		return slices.Concat(lat...)
	}
	loop(max(j.Warm/j.Fan, 1))
	fmt.Println("warm")
	in := bufio.NewReader(os.Stdin)
	_, _ = in.ReadString('\n')
	m := begin()
	all := loop(max(j.N/j.Fan, 1))
	u := m.end()
	slices.Sort(all)
	u.Count, u.P50 = len(all), float64(all[len(all)/2].Nanoseconds())/1e3
	u.write(j.Result)
	fmt.Println("done")
	untilParentGoes()
}

// plexusResting is many clients that each carry 1 MiB through the hub and then rest.
func plexusResting(j job) {
	ctx := context.Background()
	all := make([]*plexus.Client, j.Fan)
	payload := make([]byte, 1<<20)
	var sub *service.Subscription
	for i := range all {
		c, ch := join(j)
		all[i] = c
		if i == 0 {
			_, err := plexus.Handle(ch, "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
			check(err)
		}
		_, err := plexus.Call[[]byte](ctx, ch, "echo", payload)
		check(err)
		sub, err = ch.Subscribe(ctx, "topic", service.SubscribeOptions{})
		check(err)
	}
	_ = sub
	fmt.Println("resting")
	untilParentGoes()
	for _, c := range all {
		c.Close()
	}
}
