// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/service"
)

// A subscription that asked for kept values goes on where it was when its connection is made
// anew: what was published meanwhile comes, in order, and nothing comes twice, whether it had been
// taken, was on the way, or was kept before the subscription began.
func TestSubscriptionKeepsItsPlace(t *testing.T) {
	for _, cuts := range []int{1, 3} {
		t.Run(fmt.Sprint(cuts, " cuts"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hubtest.New(t, nil)
				seller, buyer := h.Join("seller"), h.Join("buyer", reconnects)
				for _, topic := range []string{"gold", "iron", "news"} {
					_, err := plexus.Declare(seller.Channel("market"), topic, service.WithKeep(100))
					must(t, err)
				}
				n := 0
				publish := func(topic string, times int) {
					for range times {
						n++
						must(t, plexus.Publish(t.Context(), seller.Channel("market"), topic, n))
					}
					h.Quiet()
				}
				publish("gold", 10) // 1 to 10: before the subscription, which wants the last two
				sub, err := plexus.Subscribe[int](t.Context(), buyer.Channel("market"), ">", service.WithReplay(2))
				must(t, err)
				defer sub.Close()
				var got []int
				read := func(want int) {
					t.Helper()
					for range want {
						p, err := sub.Next(t.Context())
						must(t, err)
						got = append(got, p.Value)
					}
				}
				read(2) // 9, 10
				publish("gold", 3)
				publish("iron", 2)
				read(3) // of five: two are on the way at the first cut
				for i := range cuts {
					buyer.Cut()
					publish("gold", 2)
					if i == 0 {
						publish("news", 5) // a topic that it has never heard of
					}
					time.Sleep(5 * time.Second) // in the bubble: it is back
					if i < cuts-1 {
						continue // nobody reads between the cuts
					}
				}
				publish("iron", 1)
				want := []int{9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}
				for i := 1; i < cuts; i++ {
					want = append(want, 21+2*i, 22+2*i)
				}
				want = append(want, n)
				read(len(want) - 5)
				slices.Sort(got) // there is no order between topics
				if !slices.Equal(got, want) {
					t.Errorf("got  %v,\nwant %v", got, want)
				}
				synctest.Wait()
				if d := sub.Dropped(); d != 0 {
					t.Error(d, "dropped")
				}
			})
		})
	}
}

// What a topic has forgotten meanwhile cannot come, and what is there comes.
func TestSubscriptionLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		seller, buyer := h.Join("seller"), h.Join("buyer", func(cfg *client.Config) { reconnects(cfg) })
		_, err := plexus.Declare(seller.Channel("market"), "gold", service.WithKeep(3))
		must(t, err)
		sub, err := plexus.Subscribe[int](t.Context(), buyer.Channel("market"), "gold", service.WithReplay(1))
		must(t, err)
		defer sub.Close()
		publish := func(from, to int) {
			for n := from; n <= to; n++ {
				must(t, plexus.Publish(t.Context(), seller.Channel("market"), "gold", n))
			}
			h.Quiet()
		}
		publish(1, 2)
		var got []int
		for len(got) < 2 {
			p, err := sub.Next(t.Context())
			must(t, err)
			got = append(got, p.Value)
		}
		buyer.Cut()
		publish(3, 9)
		time.Sleep(5 * time.Second)
		publish(10, 10)
		for len(got) < 6 {
			p, err := sub.Next(t.Context())
			must(t, err)
			if p.Resumed != (p.Value == 7) || p.Replayed != (p.Value < 10 && p.Value > 2) {
				t.Errorf("%+v", p)
			}
			got = append(got, p.Value)
		}
		if !slices.Equal(got, []int{1, 2, 7, 8, 9, 10}) {
			t.Error(got)
		}
	})
}
