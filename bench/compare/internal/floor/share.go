// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// share lets many callers use one connection: one goroutine reads, and whoever finds
// nobody writing writes for all.
func share(l link, callers int) func(int, []byte) ([]byte, error) {
	type caller struct {
		reply []byte
		done  chan struct{}
	}
	all := make([]caller, callers)
	for i := range all {
		all[i].done = make(chan struct{}, 1)
	}
	var pending atomic.Int32
	if r, ok := l.(attender); ok {
		r.crowd(func() bool { return pending.Load() > 0 })
	}
	go func() {
		for {
			id, p, ok := l.next()
			if !ok {
				return // the run is over
			}
			pending.Load() // what the caller did before it asked is before this, also for who sees no edge in shared memory
			c := &all[id]
			c.reply = append(c.reply[:0], p...)
			c.done <- struct{}{}
		}
	}()
	var mu sync.Mutex
	put, busy := 0, false
	return func(i int, request []byte) ([]byte, error) {
		pending.Add(1)
		mu.Lock()
		l.put(uint32(i), request)
		put++
		if !busy {
			busy = true
			mu.Unlock()
			runtime.Gosched() // others come and add theirs
			mu.Lock()
			for put > 0 {
				put = 0
				l.flush()
			}
			busy = false
		}
		mu.Unlock()
		<-all[i].done
		pending.Add(-1)
		return all[i].reply, nil
	}
}
