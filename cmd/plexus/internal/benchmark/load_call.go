// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
)

// calls are callers who share a client. Each is a goroutine that lives as long as the
// case: starting it is not measured.
type calls struct {
	echo  *plexus.Bound[[]byte, []byte]
	size  int
	ctx   context.Context
	start []chan int // one per caller: how many calls
	done  chan error
	hists []histogram
	total histogram
	wg    sync.WaitGroup
}

func newCalls(l *load, k report.Case) *calls {
	c := &calls{
		echo: plexus.Bind[[]byte, []byte](l.at, methodEcho), size: k.Bytes, ctx: context.Background(),
		done: make(chan error, k.Callers), hists: make([]histogram, k.Callers),
	}
	for i := range k.Callers {
		start := make(chan int, 1)
		c.start = append(c.start, start)
		c.wg.Go(func() { c.caller(start, &c.hists[i]) })
	}
	return c
}

// caller makes as many calls as it is told, again and again.
func (c *calls) caller(start <-chan int, h *histogram) {
	payload := make([]byte, c.size)
	for n := range start {
		c.done <- c.make(n, payload, h)
	}
}

// make makes n calls and counts how long each took. The clock is read once per call: the
// end of one is the beginning of the next.
func (c *calls) make(n int, payload []byte, h *histogram) error {
	began := time.Now()
	for range n {
		out, err := c.echo.Call(c.ctx, payload)
		if err != nil {
			return err
		}
		if len(out) != len(payload) {
			return fmt.Errorf("%d bytes came back of %d", len(out), len(payload))
		}
		now := time.Now()
		h.add(now.Sub(began))
		began = now
	}
	return nil
}

// run implements work. The end of the client ends the calls, whatever ctx is.
func (c *calls) run(_ context.Context, count int) error {
	for i, start := range c.start {
		start <- shareOfCount(count, len(c.start), i)
	}
	var err error
	for range c.start {
		if e := <-c.done; e != nil {
			err = e
		}
	}
	return err
}

// shareOfCount divides count among callers.
func shareOfCount(count, callers, i int) int {
	n := count / callers
	if i < count%callers {
		n++
	}
	return n
}

// delay implements work: calls are timed in run.
func (c *calls) delay(context.Context, time.Duration) error { return nil }

// times implements work.
func (c *calls) times() *histogram {
	for i := range c.hists {
		c.total.merge(&c.hists[i])
	}
	return &c.total
}

// reset implements work.
func (c *calls) reset() {
	c.total.reset()
	for i := range c.hists {
		c.hists[i].reset()
	}
}

// finish implements work.
func (c *calls) finish() {
	for _, start := range c.start {
		close(start)
	}
	c.wg.Wait()
}
