// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// SpinProbe measures how long a word takes from one core to another and back, with two
// threads that do nothing else: it tells how the machine has placed its cores, which may
// change from minute to minute on a virtual one.
func SpinProbe(limit time.Duration) time.Duration {
	var (
		word  atomic.Uint64
		_     [128]byte
		reply atomic.Uint64
		spans Histogram
		wg    sync.WaitGroup
	)
	const stop = ^uint64(0)
	wg.Go(func() {
		runtime.LockOSThread()
		for seen := uint64(0); seen != stop; {
			if w := word.Load(); w != seen {
				seen = w
				reply.Store(w)
			}
		}
	})
	began := time.Now()
	last := time.Duration(0)
	for i := uint64(1); last < limit; i++ {
		word.Store(i)
		for reply.Load() != i && time.Since(began) < 2*limit {
		}
		now := time.Since(began)
		spans.Record(now - last)
		last = now
	}
	word.Store(stop)
	wg.Wait()
	return spans.Quantile(0.5)
}
