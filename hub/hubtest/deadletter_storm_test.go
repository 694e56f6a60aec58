// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
)

// Publishers that want receipts and such that do not, subscribers that stop, go on and die, and a
// small queue before the store: every message that was dropped is a dead letter or counted as
// lost, and every letter that a receipt has told of is there.
func TestDeadLetterStorm(t *testing.T) {
	s := new(shelf)
	h := letterHub(t, s, hub.Config{DefaultQueue: 8, DeadLetters: deadletter.Keeping{QueueBytes: 64 << 10}}, "ch/*=queue_full,closed,no_subscriber")
	owner := h.Join("owner")
	_, err := plexus.Declare(owner.Channel("ch"), "t", plexus.WithShared())
	must(t, err)
	var publishing, chaos sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		chaos.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for n := 0; ; n++ {
				m := h.Dial(fmt.Sprintf("s%d-%d", i, n))
				sub, err := m.Channel("ch").Subscribe(t.Context(), "t", service.SubscribeOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				m.Stall()
				for range r.IntN(50) {
					_ = plexus.Publish(t.Context(), owner.Channel("ch"), "t", numbered(n, 3000))
				}
				if r.IntN(2) == 0 {
					m.Resume()
					_, _ = sub.Recv(t.Context())
				}
				m.Cut()
				m.Client.Close()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	var mu sync.Mutex
	told := 0
	for i := range 4 {
		p := h.Join(fmt.Sprint("p", i))
		publishing.Go(func() {
			for n := range 60 {
				var r operation.Receipt
				if err := plexus.Publish(t.Context(), p.Channel("ch"), "t", numbered(n, 500), service.WithReceipt(&r)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				told += r.DeadLettered
				mu.Unlock()
			}
		})
	}
	publishing.Wait()
	close(stop)
	chaos.Wait()
	h.Quiet()
	_, _ = h.Drain(t.Context()) // all is written
	st, stats := h.Status(), h.Stats().DeadLetters
	lost := uint64(0)
	for _, n := range stats.Lost {
		lost += n
	}
	byAcknowledged := 0
	for i := range s.all {
		if s.all[i].Sender.ID != "owner" {
			byAcknowledged++
		}
	}
	if stats.Kept != uint64(len(s.all)) || byAcknowledged < told {
		t.Errorf("%d told, %d letters of theirs; %d kept, %d there", told, byAcknowledged, stats.Kept, len(s.all))
	}
	// What a receiver's session had taken and his program had not is a letter only of those who
	// wait for a receipt: dropped is less than what was missed by these.
	if dropped := st.Dropped["queue_full"] + st.Dropped["closed"] + st.Orphaned; stats.Kept+lost < dropped {
		t.Errorf("%d dropped or orphaned, %d kept and %d lost", dropped, stats.Kept, lost)
	}
	t.Logf("%d published, %d delivered, dropped %v, %d orphaned; %d kept, lost %v; %d told", st.Published, st.Delivered, st.Dropped, st.Orphaned, stats.Kept, stats.Lost, told)
}
