// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/wire"
)

// BenchmarkGroupCall is BenchmarkHubCall with four providers, by policy; "none" is a method
// of one provider. With one caller it reports the median, too.
func BenchmarkGroupCall(b *testing.B) {
	for _, policy := range []string{"none", operation.LeastActive, operation.RoundRobin, operation.TwoChoices, operation.Sticky, operation.All} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprint(policy, "/", callers), func(b *testing.B) { benchmarkGroup(b, policy, callers) })
		}
	}
}

func benchmarkGroup(b *testing.B, policy string, callers int) {
	h := newHouse(b, hub.Config{})
	h.pipe = unixPipe(b)
	handler := func(int) func(c *session.Call) { return echo }
	if policy == "none" {
		h.workers(1, operation.Sharing{}, handler)
	} else {
		h.workers(4, operation.Sharing{Group: "g", Balance: policy}, handler)
	}
	r := h.join("c", nil).s.Route(method("ch", "job"))
	m := session.Message{Payload: make([]byte, 64)}
	var keys []session.Message
	for i := range 64 {
		k := m
		if policy == operation.Sticky {
			k.Headers = []wire.Pair{{Key: operation.HeaderKey, Value: fmt.Sprint(i)}}
		}
		keys = append(keys, k)
	}
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			var buf []byte
			for n := i; left.Add(-1) >= 0; n++ {
				began := time.Now()
				rep, err := r.Call(b.Context(), keys[n%len(keys)], buf[:0])
				if err != nil {
					b.Error(err)
					return
				}
				buf = rep.Payload
				if callers == 1 {
					took = append(took, time.Since(began))
				}
			}
		})
	}
	wg.Wait()
	if slices.Sort(took); len(took) > 0 {
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	}
}
