// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// What was too old for a subscription when it began does not come after a cut either, and what
// was published while it was away comes, however long that was.
func TestPlaceOfAnAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		seller, buyer := h.Join("seller"), h.Join("buyer", reconnects)
		_, err := plexus.Declare(seller.Channel("market"), "gold", service.WithKeep(100))
		must(t, err)
		publish := func(from, to int) {
			for n := from; n <= to; n++ {
				must(t, plexus.Publish(t.Context(), seller.Channel("market"), "gold", n))
			}
			h.Quiet()
		}
		publish(1, 3)
		time.Sleep(time.Hour)
		sub, err := plexus.Subscribe[int](t.Context(), buyer.Channel("market"), "gold", service.WithReplaySince(time.Second))
		must(t, err)
		defer sub.Close()
		buyer.Cut()
		publish(4, 5)
		time.Sleep(5 * time.Second) // it is back, and they are older than a second
		publish(6, 6)
		var got []int
		for len(got) < 3 {
			p, err := sub.Next(t.Context())
			must(t, err)
			got = append(got, p.Value)
		}
		if !slices.Equal(got, []int{4, 5, 6}) {
			t.Error(got)
		}
	})
}

// What is kept and has come already may fall out of the queue after a cut: nothing is missing
// then, and nothing is said to be.
func TestPlaceInAShortQueue(t *testing.T) {
	for _, policy := range []string{operation.DropOldest, operation.DropNewest, operation.Disconnect} {
		synctest.Test(t, func(t *testing.T) {
			h := hubtest.New(t, nil)
			seller, buyer := h.Join("seller"), h.Join("buyer", reconnects)
			_, err := plexus.Declare(seller.Channel("market"), "gold", service.WithKeep(100))
			must(t, err)
			n := 0
			publish := func(times int) {
				for range times {
					n++
					must(t, plexus.Publish(t.Context(), seller.Channel("market"), "gold", n))
				}
				h.Quiet()
			}
			sub, err := plexus.Subscribe[int](t.Context(), buyer.Channel("market"), "gold", service.WithReplay(1), plexus.WithQueue(8, policy))
			must(t, err)
			defer sub.Close()
			publish(8)
			for want := 1; want <= 40; {
				p, err := sub.Next(t.Context())
				if err != nil {
					t.Fatal(want, err)
				}
				if p.Value != want || p.Dropped != 0 {
					t.Fatalf("%+v, want %d", p, want)
				}
				if want++; want%8 == 1 && want < 40 {
					buyer.Cut()
					publish(2)
					time.Sleep(5 * time.Second)
					publish(6)
				}
			}
		})
	}
}

// However often, and at whatever moment, the connection is lost while others publish, and whether
// the subscriber reads or not: each publication comes once and in order.
func TestPlaceUnderLoad(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			const topics, each = 3, 300
			h := hubtest.New(t, nil)
			buyer := h.Join("buyer", reconnects)
			var sellers []*hubtest.Member
			for i := range topics {
				sellers = append(sellers, h.Join(fmt.Sprint("seller", i)))
				_, err := plexus.Declare(sellers[i].Channel("market"), fmt.Sprint("t", i), service.WithKeep(each))
				must(t, err)
			}
			sub, err := plexus.Subscribe[int](t.Context(), buyer.Channel("market"), ">", service.WithReplay(1))
			must(t, err)
			defer sub.Close()
			var wg sync.WaitGroup
			for i, s := range sellers {
				pauses := rand.New(rand.NewPCG(rng.Uint64(), 2))
				wg.Go(func() {
					for n := 1; n <= each; n++ {
						if err := plexus.Publish(t.Context(), s.Channel("market"), fmt.Sprint("t", i), n); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Duration(pauses.IntN(60)) * time.Millisecond)
					}
				})
			}
			cuts := rand.New(rand.NewPCG(rng.Uint64(), 3))
			wg.Go(func() {
				for range 12 {
					time.Sleep(time.Duration(cuts.IntN(1500)) * time.Millisecond)
					buyer.Cut()
				}
			})
			var last [topics]int
			for n := 0; n < topics*each; n++ {
				p, err := sub.Next(t.Context())
				must(t, err)
				i := int(p.Topic[1] - '0')
				if p.Value != last[i]+1 || p.Dropped != 0 || p.Sender != fmt.Sprint("seller", i) {
					t.Fatalf("%+v after %d", p, last[i])
				}
				last[i] = p.Value
				if rng.IntN(50) == 0 {
					time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
				}
			}
			wg.Wait()
			if d := sub.Dropped(); d != 0 {
				t.Error(d, "dropped")
			}
		})
	}
}

// A topic that is retracted while a subscriber is away, and declared anew, gives it what it has
// kept since; also if a value is the same as one that had come.
func TestPlaceInATopicDeclaredAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		seller, buyer := h.Join("seller"), h.Join("buyer", reconnects)
		ch := seller.Channel("market")
		topic, err := plexus.Declare(ch, "gold", service.WithKeep(10))
		must(t, err)
		publish := func(values ...int) {
			for _, n := range values {
				err := plexus.Publish(t.Context(), ch, "gold", n)
				if errors.Is(err, status.Undeclared) { // what became of the topic before is told once
					err = plexus.Publish(t.Context(), ch, "gold", n)
				}
				must(t, err)
			}
			h.Quiet()
		}
		publish(1, 2)
		sub, err := plexus.Subscribe[int](t.Context(), buyer.Channel("market"), "gold", service.WithReplay(1))
		must(t, err)
		defer sub.Close()
		var got []int
		read := func(n int) {
			for range n {
				p, err := sub.Next(t.Context())
				must(t, err)
				got = append(got, p.Value)
			}
		}
		publish(1)
		read(2)
		for range 2 {
			buyer.Cut()
			must(t, topic.Close(t.Context()))
			topic, err = plexus.Declare(ch, "gold", service.WithKeep(10))
			must(t, err)
			publish(2, 1, 2)
			time.Sleep(5 * time.Second)
			publish(1)
			read(4)
		}
		if want := []int{2, 1, 2, 1, 2, 1, 2, 1, 2, 1}; !slices.Equal(got, want) {
			t.Error(fmt.Sprint("got ", got, ", want ", want))
		}
	})
}
