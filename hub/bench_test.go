// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/session"
)

// A call through the hub, all three in one process, over unix sockets: the allocations are
// those of all of them together.
func BenchmarkHubCall(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			h := newHouse(b, hub.Config{})
			h.pipe = unixPipe(b)
			h.join("p", echoing).provide("c", "echo")
			r := h.join("c", nil).s.Route(method("c", "echo"))
			payload := make([]byte, 64)
			_, err := r.Call(b.Context(), session.Message{Payload: payload}, nil)
			must(b, err)
			b.ReportAllocs()
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					var buf []byte
					for left.Add(-1) >= 0 {
						rep, err := r.Call(b.Context(), session.Message{Payload: payload}, buf[:0])
						if err != nil {
							b.Error(err)
							return
						}
						buf = rep.Payload
					}
				})
			}
			wg.Wait()
		})
	}
}

func BenchmarkPublish1to1(b *testing.B) { benchmarkPublish(b, 1) }
func BenchmarkPublish1to8(b *testing.B) { benchmarkPublish(b, 8) }

func BenchmarkPublish1to100(b *testing.B) { benchmarkPublish(b, 100) }

// Publications to subscribers that take all: what the hub would drop is published slower.
func benchmarkPublish(b *testing.B, subscribers int) {
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h := newHouse(b, hub.Config{DefaultQueue: 60000, DefaultQueueBytes: 256 << 20})
			h.pipe = unixPipe(b)
			p := h.join("p", nil)
			r := p.declare("c", "t", false)
			var wg sync.WaitGroup
			for range subscribers {
				x := h.join("", &session.Config{StreamWindow: 1 << 20}).subscribe("c", "t")
				wg.Go(func() {
					for range b.N {
						if _, err := x.Borrow(b.Context()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			payload, ctx := make([]byte, size), b.Context()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if i%16384 == 0 { // a queue's length is not overrun
					for h.h.Status().Queued > 16384 {
						must(b, p.s.Ping(b.Context()))
					}
				}
				if err := r.Emit(ctx, session.Message{Payload: payload}); err != nil {
					b.Fatal(err)
				}
			}
			wg.Wait()
			if d := h.h.Status().Dropped; len(d) > 0 {
				b.Fatalf("dropped %v", d)
			}
		})
	}
}
