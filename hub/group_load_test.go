// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// shop is workers that come and go, and what they have done.
type shop struct {
	h       *house
	sharing operation.Sharing
	done    []atomic.Int32 // how often each job was begun
	excess  atomic.Int32   // how often a worker had more than it takes

	mu      sync.Mutex
	workers []*party
	hired   int
}

func (s *shop) hire() {
	s.mu.Lock()
	s.hired++
	id := fmt.Sprint("worker ", s.hired)
	s.mu.Unlock()
	p := s.h.join(id, router(map[string]func(*session.Call){"job": s.worker(), "jobs": s.worker()}))
	p.share("job", s.sharing)
	p.mustOp(operation.Provide, operation.Offer{Channel: "ch", Method: "jobs", Shape: uint8(wire.Duplex), Sharing: s.sharing}, nil)
	s.mu.Lock()
	s.workers = append(s.workers, p)
	s.mu.Unlock()
}

// worker returns a handler that counts what it has to do.
func (s *shop) worker() func(c *session.Call) {
	var busy atomic.Int32
	return func(c *session.Call) {
		if n := int(busy.Add(1)); s.sharing.Capacity > 0 && n > s.sharing.Capacity {
			s.excess.Add(1)
		}
		n, _ := strconv.Atoi(string(c.Payload))
		s.done[n].Add(1)
		ctx := c.Context()
		if n%7 == 0 { // some stay until they are given up, or the worker goes
			<-ctx.Done()
			busy.Add(-1) // before the hub can know
			c.Fail(ctx.Err())
			return
		}
		for range n % 50 {
			runtime.Gosched()
		}
		if c.Shape() == wire.Unary {
			busy.Add(-1)
			c.Reply(session.Message{Payload: c.Payload})
			return
		}
		x, err := c.Stream()
		if err == nil {
			err = x.Send(ctx, session.Message{Payload: c.Payload})
		}
		busy.Add(-1)
		if err != nil {
			c.Fail(err)
			return
		}
		c.Reply(session.Message{})
	}
}

// fire has a random worker go: by dying, or in peace.
func (s *shop) fire(r *rand.Rand) {
	s.mu.Lock()
	i := r.IntN(len(s.workers))
	p := s.workers[i]
	s.workers = append(s.workers[:i], s.workers[i+1:]...)
	s.mu.Unlock()
	if r.IntN(2) == 0 {
		_ = p.hubs.CloseWith(&status.Error{Code: status.PeerGone, Message: "killed"})
		return
	}
	p.mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "job"}, nil)
	p.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
}

// order makes call number n, of a random kind, and returns how it ended.
func (s *shop) order(p *party, r *rand.Rand, n int) error {
	m := session.Message{Payload: []byte(strconv.Itoa(n)), Idempotent: n%3 == 0}
	if k := r.IntN(5); k > 0 {
		m.Headers = []wire.Pair{{Key: operation.HeaderKey, Value: fmt.Sprint(k)}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if n%7 == 0 || n%11 == 0 { // given up at some time
		go func() { // ends soon
			for range n % 97 {
				runtime.Gosched()
			}
			cancel()
		}()
	}
	if n%4 == 1 {
		x, err := p.s.Route(method("ch", "jobs")).Open(ctx, wire.Duplex, m)
		if err != nil {
			return err
		}
		for i := range 3 {
			if err := x.Send(ctx, session.Message{Payload: make([]byte, i)}); err != nil {
				break
			}
		}
		item, err := x.Recv(ctx, nil)
		x.Cancel()
		if errors.Is(err, io.EOF) && ctx.Err() != nil {
			return ctx.Err() // what comes after it was given up is not passed on
		}
		if err == nil && string(item.Payload) != string(m.Payload) {
			return status.Errorf(status.DataLoss, "the answer to %d is %s", n, item.Payload)
		}
		return err
	}
	rep, err := p.s.Route(method("ch", "job")).Call(ctx, m, nil)
	if err == nil && string(rep.Payload) != string(m.Payload) {
		return status.Errorf(status.DataLoss, "the answer to %d is %s", n, rep.Payload)
	}
	return err
}

// Whatever comes and goes: every call ends, in a way that it may, nobody has more than it
// takes, no call is begun twice that must not be, and at the end nothing is in flight or waits.
func TestGroupUnderRandomLoad(t *testing.T) {
	for _, sharing := range []operation.Sharing{
		{Group: "g", Capacity: 3}, {Group: "g", Balance: operation.RoundRobin}, {Group: "g", Balance: operation.TwoChoices, Capacity: 2},
		{Group: "g", Balance: operation.Sticky, Capacity: 2},
	} {
		t.Run(sharing.Balance, func(t *testing.T) {
			const callers, each = 8, 120
			h := newHouse(t, hub.Config{MaxWaiting: 6})
			keeper := h.join("keeper", nil)
			keeper.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
			s := &shop{h: h, sharing: sharing, done: make([]atomic.Int32, callers*each)}
			for range 4 {
				s.hire()
			}
			var ends sync.Map
			var wg sync.WaitGroup
			for i := range callers {
				p := h.join("", nil)
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), 1))
					for k := range each {
						n := i*each + k
						err := s.order(p, r, n)
						ends.Store(n, status.CodeOf(err))
						switch status.CodeOf(err) {
						case status.OK, status.Cancelled, status.PeerGone, status.Overloaded, status.NoProvider:
						default:
							t.Errorf("call %d: %v", n, err)
						}
						if most := int32(hub.DefaultMaxAttempts); s.done[n].Load() > 1 && n%3 != 0 || s.done[n].Load() > most {
							t.Errorf("call %d was begun %d times", n, s.done[n].Load())
						}
					}
				})
			}
			finished := make(chan struct{})
			go func() { wg.Wait(); close(finished) }()
			r := rand.New(rand.NewPCG(99, 1))
			for going := true; going; {
				select {
				case <-finished:
					going = false
				default:
					s.fire(r)
					s.hire()
				}
			}
			count := map[status.Code]int{}
			ends.Range(func(_, v any) bool { count[v.(status.Code)]++; return true })
			t.Logf("%v, %d workers, %d sent again, %d refused", count, s.hired, h.h.Status().Resent, h.h.Status().Refused)
			if count[status.OK] == 0 {
				t.Error("nothing was done")
			}
			if n := s.excess.Load(); n > 0 {
				t.Errorf("workers had too much %d times", n)
			}
			s.settled(t, keeper)
		})
	}
}

// settled waits until the last answers have come, and then wants nothing to be left.
func (s *shop) settled(t *testing.T, p *party) {
	ctx := patience(t)
	for _, name := range []string{"job", "jobs"} {
		for x := p.explore(name); x.Active > 0 || x.Waiting > 0; x = p.explore(name) {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Fatalf("%+v", x)
			}
		}
	}
	if st := s.h.h.Status(); st.Waiting != 0 {
		t.Fatalf("%+v", st)
	}
}
