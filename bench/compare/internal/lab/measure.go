// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// call measures what goes on between a client and the other end. begin is called before
// the measured time: it returns when the clocks have been read.
func call(j Job, c *Client, begin func()) error {
	switch {
	case j.Pattern == Calls && c.Call != nil:
		return calls(j, c, begin)
	case j.Pattern == Streams && c.Stream != nil:
		return streams(j, c, begin)
	case j.Pattern == Loans && c.Loan != nil:
		one := *c
		one.Call = func(int, []byte) ([]byte, error) { return nil, c.Loan() }
		return timed(j, &one, begin)
	}
	return ErrCannot
}

// calls checks that the answer is the request, and measures.
func calls(j Job, c *Client, begin func()) error {
	probe := bytes.Repeat([]byte("plexus! "), j.Bytes/8+1)[:j.Bytes]
	for i := range j.Callers {
		got, err := c.Call(i, probe)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, probe) {
			return fmt.Errorf("%d bytes went out, %d others came back", len(probe), len(got))
		}
	}
	return timed(j, c, begin)
}

// timed calls for the warm-up, then for the measured time.
func timed(j Job, c *Client, begin func()) error {
	spans := make([]Histogram, j.Callers)
	if _, err := callers(j, c, spans, j.Warm); err != nil {
		return err
	}
	clear(spans)
	runtime.GC()
	far, err := mallocs(c)
	if err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin()
	began := time.Now()
	n, err := callers(j, c, spans, j.Run)
	took := time.Since(began)
	fmt.Println("end")
	runtime.ReadMemStats(&after)
	if err != nil {
		return err
	}
	m := Measure{Ops: n, Seconds: took.Seconds()}
	for i := range spans[1:] {
		spans[0].Add(&spans[i+1])
	}
	m.P50, m.P99 = micro(spans[0].Quantile(0.5)), micro(spans[0].Quantile(0.99))
	if c.Mallocs != nil {
		now, err := mallocs(c)
		if err != nil {
			return err
		}
		per := float64(now-far+after.Mallocs-before.Mallocs) / float64(n)
		m.Allocs = &per
	}
	Print(m)
	return nil
}

func mallocs(c *Client) (uint64, error) {
	if c.Mallocs == nil {
		return 0, nil
	}
	return c.Mallocs()
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// callers lets all callers call for a time and returns how many calls they made.
func callers(j Job, c *Client, spans []Histogram, limit time.Duration) (uint64, error) {
	var (
		wg    sync.WaitGroup
		total atomic.Uint64
		fail  = make([]error, j.Callers)
	)
	began := time.Now()
	for i := range j.Callers {
		wg.Go(func() {
			request := bytes.Repeat([]byte{'x'}, j.Bytes)
			last := time.Since(began)
			for n := uint64(1); ; n++ {
				if _, fail[i] = c.Call(i, request); fail[i] != nil {
					return
				}
				now := time.Since(began)
				spans[i].Record(now - last)
				last = now
				if now >= limit {
					total.Add(n)
					return
				}
			}
		})
	}
	wg.Wait()
	return total.Load(), errors.Join(fail...)
}

// streams asks for more and more messages, until they are enough for the measured time.
func streams(j Job, c *Client, begin func()) error {
	n, took := 1000, time.Duration(0)
	for took < j.Warm {
		began := time.Now()
		if err := c.Stream(n); err != nil {
			return err
		}
		if took = time.Since(began); took < j.Warm {
			n *= 2
		}
	}
	n = int(float64(n) * j.Run.Seconds() / took.Seconds())
	runtime.GC()
	begin()
	began := time.Now()
	err := c.Stream(n)
	took = time.Since(began)
	fmt.Println("end")
	if err != nil {
		return err
	}
	Print(Measure{Ops: uint64(n), Seconds: took.Seconds()})
	return nil
}

// Kinds of publications, their first byte: some systems carry text only.
const (
	KindWarm = 'w'
	KindRun  = 'r'
	KindEnd  = 'e'
)

// Published is the last line of a publisher.
type Published struct {
	Published uint64 `json:"published"` // while it was measured
}

// publish publishes as fast as it can: for the warm-up, for the measured time, and then
// the end again and again, in case that it is lost.
func publish(j Job, p *Publisher, gone <-chan struct{}) error {
	message := bytes.Repeat([]byte{'x'}, j.Bytes)
	if _, err := phase(p, message, KindWarm, j.Warm); err != nil {
		return err
	}
	n, err := phase(p, message, KindRun, j.Run)
	if err != nil {
		return err
	}
	Print(Published{n})
	for {
		if _, err := phase(p, message, KindEnd, 0); err != nil {
			return err
		}
		select {
		case <-gone:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func phase(p *Publisher, message []byte, kind byte, limit time.Duration) (uint64, error) {
	message[0] = kind
	n := uint64(0)
	for began := time.Now(); ; {
		if err := p.Publish(message); err != nil {
			return n, err
		}
		if n++; limit == 0 || n%16 == 0 && time.Since(began) >= limit {
			break
		}
	}
	if p.Flush == nil {
		return n, nil
	}
	return n, p.Flush()
}

// tally is what one subscriber has got. It fills two cache lines.
type tally struct {
	n    uint64
	done bool
	_    [112]byte
}

// subscribe counts what all subscribers get, from the first measured message to the last.
func subscribe(j Job, connect func(Job, func(int, byte, int)) error) error {
	all := make([]tally, j.Subscribers)
	var (
		once  sync.Once
		began time.Time
		left  atomic.Int32
	)
	left.Store(int32(j.Subscribers))
	ended := make(chan time.Duration, 1)
	begin := func() {
		began = time.Now()
		fmt.Println("begin")
	}
	err := connect(j, func(i int, kind byte, n int) {
		t := &all[i]
		switch {
		case kind == KindRun && !t.done:
			if t.n == 0 {
				once.Do(begin)
			}
			t.n += uint64(n)
		case kind == KindEnd && !t.done:
			t.done = true
			once.Do(begin)
			if left.Add(-1) == 0 {
				ended <- time.Since(began)
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	took := <-ended
	fmt.Println("end")
	m := Measure{Seconds: took.Seconds()}
	for i := range all {
		m.Ops += all[i].n
	}
	Print(m)
	return nil
}

// Copy copies in pieces: from 1 MiB on Go's copy passes the caches by (on amd64), and what
// another process reads next would come from memory.
func Copy(to, from []byte) {
	const piece = 256 << 10
	for len(from) > 0 {
		n := copy(to, from[:min(piece, len(from))])
		to, from = to[n:], from[n:]
	}
}
