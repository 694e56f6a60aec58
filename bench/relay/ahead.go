// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"sync"
	"sync/atomic"
)

// ahead keeps the publisher from getting too far ahead of the slowest subscriber.
type ahead struct {
	window, stride int
	sent           int

	slowest atomic.Int64 // messages
	mu      sync.Mutex
	cond    *sync.Cond
	taken   []int // by connection, -1 before it has subscribed
	started bool
	ended   bool
}

// strideOf returns after how many messages a subscriber tells that it has them.
func strideOf(j job) int { return 1 << 20 / 4 / max(j.Size, 64) }

func newAhead(j job) *ahead {
	a := &ahead{stride: strideOf(j), taken: make([]int, j.Fan)}
	a.window = 4 * a.stride
	a.cond = sync.NewCond(&a.mu)
	for i := range a.taken {
		a.taken[i] = -1
	}
	a.slowest.Store(-1)
	go a.read()
	return a
}

// read takes what the subscribers tell.
func (a *ahead) read() {
	b := make([]byte, 4096)
	for {
		n, err := os.Stdin.Read(b)
		a.mu.Lock()
		for _, c := range b[:n] {
			switch {
			case c == startByte:
				a.started = true
			case a.taken[c] < 0:
				a.taken[c] = 0
			default:
				a.taken[c] += a.stride
			}
		}
		low := a.taken[0]
		for _, t := range a.taken {
			low = min(low, t)
		}
		a.slowest.Store(int64(low))
		a.ended = err != nil
		a.cond.Broadcast()
		a.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (a *ahead) wait(f func() bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !f() && !a.ended {
		a.cond.Wait()
	}
}

func (a *ahead) awaitAll()   { a.until(0) }
func (a *ahead) awaitStart() { a.wait(func() bool { return a.started }) }
func (a *ahead) until(n int) { a.wait(func() bool { return int(a.slowest.Load()) >= n }) }

// step waits until one more may be sent.
func (a *ahead) step(flush func()) {
	if a.sent++; a.sent-int(a.slowest.Load()) > a.window {
		flush()
		a.until(a.sent - a.window)
	}
}

// over reports whether the subscribers have gone.
func (a *ahead) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}
