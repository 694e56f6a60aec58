// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
)

// numbered returns a payload of some length that begins with its number.
func numbered(n, size int) []byte {
	return append(strconv.AppendInt(nil, int64(n), 10), bytes.Repeat([]byte{' '}, size)...)
}

func numberIn(payload []byte) int {
	n, err := strconv.Atoi(string(bytes.TrimRight(payload, " ")))
	if err != nil {
		return -1
	}
	return n
}

// Publications of one sender in one channel reach each subscription in the order in which
// they were sent, on whatever topics, by three senders at once, through queues that
// overflow, a subscriber that stops and goes on, and messages of one fragment and of many.
func TestOrderThroughBackpressure(t *testing.T) {
	both(t, func(t *testing.T) {
		const senders, each = 3, 250
		h := hubtest.New(t, &hubtest.Options{Hub: hub.Config{DefaultQueue: 30}})
		names := []string{"a", "b.c", "b.d"}
		sub := h.Join("sub")
		for _, name := range names {
			_, err := plexus.Declare(sub.Channel("ch"), name, plexus.WithShared())
			must(t, err)
		}
		for _, policy := range []string{operation.DropOldest, operation.DropNewest} {
			s, err := plexus.Subscribe[[]byte](t.Context(), sub.Channel("ch"), ">", plexus.WithQueue(0, policy))
			must(t, err)
			halfway := make(chan struct{}, senders)
			sub.Stall()
			var sending, reading sync.WaitGroup
			for range senders {
				ch := h.Join("").Channel("ch")
				sending.Go(func() {
					for i := range each {
						size := []int{0, 100, 5000, 70_000}[i%4]
						if err := plexus.Publish(t.Context(), ch, names[i%len(names)], numbered(i, size)); err != nil {
							t.Error(err)
						}
						if i == each/2 {
							halfway <- struct{}{}
						}
					}
				})
			}
			for range senders {
				<-halfway
			}
			got, missed := 0, 0
			reading.Go(func() { got, missed = inOrder(t, s, each) })
			sub.Resume()
			sending.Wait()
			for h.Quiet(); h.Status().Queued > 0; h.Quiet() {
				// What is missing at the end is told with what comes next, when all have come.
			}
			must(t, plexus.Publish(t.Context(), sub.Channel("ch"), "a", numbered(each, 0)))
			reading.Wait()
			if got+missed != senders*each+1 || missed == 0 {
				t.Errorf("%s: %d of %d came, %d were told to be missing", policy, got, senders*each+1, missed)
			}
			s.Close()
		}
	})
}

// inOrder takes publications up to the one with the number last and returns how many there
// were, and how many are said to be missing.
func inOrder(t *testing.T, s *plexus.Subscription[[]byte], last int) (got, missed int) {
	before := map[string]int{}
	for {
		p, err := s.Next(t.Context())
		if err != nil {
			t.Error(err)
			return got, missed
		}
		n := numberIn(p.Value)
		if old, ok := before[p.Sender]; ok && n <= old {
			t.Errorf("%s: %d came after %d", p.Sender, n, old)
		}
		before[p.Sender] = n
		got, missed = got+1, missed+int(p.Dropped)
		if n == last {
			return got, missed
		}
	}
}

// Events of one sender and name, to one and to all, arrive in their order as well.
func TestOrderOfEvents(t *testing.T) {
	both(t, func(t *testing.T) {
		const each = 500
		h := hubtest.New(t, nil)
		in, out := h.Join("in"), h.Join("out")
		_, err := in.Channel("ch").Join(t.Context())
		must(t, err)
		var mu sync.Mutex
		var all sync.WaitGroup
		all.Add(4 * each)
		got := map[string][]int{}
		for _, name := range []string{"x", "y"} {
			l := plexus.On(in.Channel("ch"), name, func(ctx context.Context, v []byte) {
				env, _ := plexus.EnvelopeOf(ctx)
				mu.Lock()
				defer mu.Unlock()
				defer all.Done()
				lane := fmt.Sprint(env.Name, env.Broadcast)
				got[lane] = append(got[lane], numberIn(v))
			}, service.WithOnError(func(err error) { t.Error(err) }))
			defer l.Close()
		}
		ch := out.Channel("ch")
		emitters := []session.Emitter{ch.Broadcast("x"), ch.Broadcast("y"), ch.At("in").Event("x"), ch.At("in").Event("y")}
		in.Stall()
		for i := range each {
			for _, e := range emitters {
				must(t, e.Emit(t.Context(), session.Message{Payload: numbered(i, i%300)}))
			}
		}
		in.Resume()
		all.Wait()
		mu.Lock()
		defer mu.Unlock()
		for lane, all := range got {
			for i, n := range all {
				if n != i {
					t.Fatalf("%s: %d came as number %d", lane, n, i)
				}
			}
			if len(all) != each {
				t.Errorf("%s: %d of %d have come", lane, len(all), each)
			}
		}
		if len(got) != len(emitters) {
			t.Fatalf("%d lanes", len(got))
		}
	})
}
