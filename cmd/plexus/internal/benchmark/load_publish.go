// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// subscribers receive publications, each over a connection of its own.
type subscribers struct {
	l      *load
	size   int
	half   uint32 // of the window: how often is acknowledged
	all    []*subscriber
	burst  atomic.Uint32 // the present one's number
	target atomic.Uint32 // how many publications each is waiting for
	timed  atomic.Bool   // they are stamped: count their delays

	// Who has received so much: the last one reports.
	crossed  [4]atomic.Int32 // half a window more
	complete atomic.Int32    // all
	progress atomic.Uint64   // counts both
	done     chan struct{}   // all have all

	failed  chan error
	total   histogram
	wg      sync.WaitGroup
	timeout *time.Timer
}

// subscriber is one of them.
type subscriber struct {
	client *plexus.Client
	sub    *plexus.Subscription[[]byte]
	hist   histogram
}

// lostAfter is how long nothing may come before a publication is taken for lost.
const lostAfter = 20 * time.Second

func newSubscribers(ctx context.Context, l *load, k report.Case) (*subscribers, error) {
	s := &subscribers{
		l: l, size: k.Bytes, half: uint32(windowOf(k.Bytes) / 2), done: make(chan struct{}, 1), failed: make(chan error, k.Callers),
		timeout: time.NewTimer(lostAfter),
	}
	for range k.Callers {
		s.l.opened++ // the id of one that was just closed may still be in use at the other end
		one, err := s.open(ctx, fmt.Sprint("subscriber-", s.l.opened))
		if err != nil {
			s.finish()
			return nil, err
		}
		s.all = append(s.all, one)
	}
	for _, one := range s.all {
		s.wg.Go(func() { s.failed <- s.receive(ctx, one) })
	}
	return s, nil
}

func (s *subscribers) open(ctx context.Context, id string) (*subscriber, error) {
	o, err := s.l.t.dialOptions(id)
	if err != nil {
		return nil, err
	}
	c, err := plexus.Dial(ctx, s.l.t.Address, o)
	if err != nil {
		return nil, err
	}
	sub, err := plexus.Subscribe[[]byte](ctx, s.l.channel(c), topicFeed, plexus.WithQueue(4*windowCount, operation.DropNewest))
	if err != nil {
		c.Close()
		return nil, err
	}
	return &subscriber{client: c, sub: sub}, nil
}

// receive takes publications until the subscription ends.
func (s *subscribers) receive(ctx context.Context, one *subscriber) error {
	var count uint32
	for {
		p, err := one.sub.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case p.Dropped > 0:
			return status.Errorf(status.DataLoss, "%d publications were dropped", p.Dropped)
		case len(p.Value) != s.size:
			return fmt.Errorf("a publication has %d bytes, not %d", len(p.Value), s.size)
		}
		if s.timed.Load() {
			one.hist.add(sinceStamp(p.Value))
		}
		if count++; count == s.target.Load() {
			count = 0
			s.progress.Add(1)
			if s.complete.Add(1) == int32(len(s.all)) {
				s.done <- struct{}{}
			}
		} else if count%s.half == 0 {
			if err := s.cross(ctx, count); err != nil {
				return err
			}
		}
	}
}

// cross acknowledges count publications if this is the last subscriber to get there.
func (s *subscribers) cross(ctx context.Context, count uint32) error {
	s.progress.Add(1)
	c := &s.crossed[count/s.half%uint32(len(s.crossed))]
	if c.Add(1) < int32(len(s.all)) {
		return nil
	}
	c.Store(0)
	r := request{burst: s.burst.Load(), size: uint32(s.size), count: count}
	return plexus.Send(ctx, s.l.events, eventAck, r.bytes())
}

// expect makes the subscribers ready for so many publications.
func (s *subscribers) expect(count int, timed bool) {
	s.complete.Store(0)
	for i := range s.crossed {
		s.crossed[i].Store(0)
	}
	s.timed.Store(timed)
	s.target.Store(uint32(count))
}

// await waits until all have come.
func (s *subscribers) await(ctx context.Context) error {
	for {
		before := s.progress.Load()
		s.timeout.Reset(lostAfter)
		select {
		case <-s.done:
			return nil
		case err := <-s.failed:
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-s.timeout.C:
			if s.progress.Load() == before {
				return status.Errorf(status.DataLoss, "publications did not come")
			}
		}
	}
}

// run implements work: a burst, at a pace at which nothing is dropped.
func (s *subscribers) run(ctx context.Context, count int) error {
	s.l.bursts++
	s.burst.Store(s.l.bursts)
	s.expect(count, false)
	r := request{burst: s.l.bursts, size: uint32(s.size), count: uint32(count)}
	if err := plexus.Send(ctx, s.l.events, eventBurst, r.bytes()); err != nil {
		return err
	}
	return s.await(ctx)
}

// delay implements work: the next is published when all have the last.
func (s *subscribers) delay(ctx context.Context, budget time.Duration) error {
	r := request{size: uint32(s.size)}.bytes()
	for until := time.Now().Add(budget); time.Now().Before(until); {
		s.expect(1, true)
		if err := plexus.Send(ctx, s.l.events, eventBeat, r); err != nil {
			return err
		}
		if err := s.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// times implements work.
func (s *subscribers) times() *histogram {
	for _, one := range s.all {
		s.total.merge(&one.hist)
	}
	return &s.total
}

// reset implements work.
func (s *subscribers) reset() {
	s.total.reset()
	for _, one := range s.all {
		one.hist.reset()
	}
}

// finish implements work.
func (s *subscribers) finish() {
	for _, one := range s.all {
		one.sub.Close()
		one.client.Close()
	}
	s.wg.Wait()
	s.timeout.Stop()
}
