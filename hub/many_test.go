// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
)

// crowded returns a hub with n subscriptions in one channel, each with a pattern of its own of
// which few match any topic, a publisher of topic "7.x.y", and the bytes that a subscription
// takes, those of its own end included.
func crowded(b *testing.B, n int) (h *house, p *party, bytes float64) {
	const each = 4000
	h = newHouse(b, hub.Config{})
	p = h.join("p", nil)
	p.declare("ch", "7.x.y", false)
	before := heap()
	var wg sync.WaitGroup
	for from := 0; from < n; from += each {
		q := h.join("", nil)
		wg.Go(func() {
			for i := from; i < min(from+each, n); i++ {
				q.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: fmt.Sprintf([]string{"%d.*.y", "%d.>", "%d.x.*", "%d.x.y"}[i%4], i/4)})
			}
		})
	}
	wg.Wait()
	return h, p, float64(heap()-before) / float64(n)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// What a publication costs where there are many subscriptions that do not match: as long as
// nobody comes or goes, and if somebody does before each.
func BenchmarkManySubscriptions(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		h, p, bytes := crowded(b, n)
		r, ctx := p.topic("ch", "7.x.y"), b.Context()
		payload := make([]byte, 64)
		publish := func(b *testing.B) {
			must(b, r.Emit(ctx, session.Message{Payload: payload}))
			must(b, p.s.Ping(ctx))
		}
		b.Run(fmt.Sprintf("publish/%d", n), func(b *testing.B) {
			for range b.N {
				publish(b)
			}
			b.ReportMetric(bytes, "B/subscription")
		})
		q := h.join("", nil)
		b.Run(fmt.Sprintf("subscribe+publish/%d", n), func(b *testing.B) {
			for range b.N {
				x, _ := q.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "none.*"})
				publish(b)
				x.Cancel()
			}
		})
		h.h.Close()
	}
}

func BenchmarkPublish1to1000(b *testing.B) { benchmarkPublish(b, 1000) }
