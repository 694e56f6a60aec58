// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// blocking subscribes with the policy block and a short queue.
func (p *party) blocking(pattern string, d time.Duration, then string, queue int) *session.Stream {
	p.t.Helper()
	x, _ := p.open(operation.Subscribe, operation.Subscription{
		Channel: "ch", Pattern: pattern, Queue: queue, Policy: operation.Block, Block: d.Seconds(), OnBlock: then,
	})
	return x
}

// A subscriber that is slower than the publisher, but not too slow, misses nothing: the
// publisher goes as fast as it.
func TestBlockLosesNothing(t *testing.T) {
	eachPipe(t, hub.Config{MaxBlock: time.Minute}, func(t *testing.T, h *house) {
		h.base.RouteWindow = 16 << 10
		p := h.join("p", nil)
		r := p.declare("ch", "t", false)
		x := h.join("slow", &session.Config{StreamWindow: 4 << 10}).blocking("t", time.Minute, "", 10)
		y := h.join("other", &session.Config{StreamWindow: 1 << 10}).blocking("*", 0, operation.DropNewest, 1)
		drain(t, h.join("fast", nil).subscribe("ch", "t"))
		const n = 5000
		done := make(chan error, 1)
		go func() {
			for i := range n {
				if err := r.Emit(patience(t), numbered(i, 100)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		var a, b reading
		for a.next < n || b.next < n {
			if a.next < n {
				item, err := x.Recv(patience(t), nil)
				must(t, err)
				a.take(t, item)
			}
			item, err := y.Recv(patience(t), nil)
			must(t, err)
			b.take(t, item)
		}
		must(t, <-done)
		if st := h.h.Status(); a.lost+b.lost != 0 || st.Blocked == 0 || len(st.Dropped) != 0 {
			t.Fatalf("%+v, %+v, %+v", a, b, st)
		}
		balance(t, h)
	})
}

// A subscriber that has stopped holds the publisher up once, for exactly the time that it may;
// then the fall-back policy applies, and nobody waits for it before it has caught up.
func TestBlockLapses(t *testing.T) {
	for _, policy := range []string{operation.DropOldest, operation.DropNewest, operation.Disconnect} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { time.Sleep(time.Second) }) // the Keeper goes home
				k := new(session.Keeper)
				h := newHouse(t, hub.Config{})
				h.base.RouteWindow, h.base.Keeper = 16<<10, k
				p := h.join("p", &session.Config{Keeper: k})
				r := p.declare("ch", "t", false)
				x := h.join("stopped", &session.Config{StreamWindow: 1 << 10, Keeper: k}).blocking("t", 40*time.Millisecond, policy, 20)
				const n = 3000
				fast, _ := h.join("fast", &session.Config{Keeper: k}).open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "t", Queue: n})
				drain(t, fast)
				var longest, all time.Duration
				for i := range n {
					began := time.Now()
					must(t, r.Emit(t.Context(), numbered(i, 100)))
					longest, all = max(longest, time.Since(began)), all+time.Since(began)
				}
				must(t, p.s.Ping(t.Context()))
				if longest < 39*time.Millisecond || longest > 41*time.Millisecond || all > 50*time.Millisecond {
					t.Errorf("the publisher was held up for %v, %v in all", longest, all)
				}
				balance(t, h)
				var got reading
				for got.next < n {
					item, err := x.Recv(patience(t), nil)
					if policy == operation.Disconnect && err != nil {
						wantCode(t, err, status.Overloaded)
						break
					}
					must(t, err)
					got.take(t, item)
				}
				st := h.h.Status()
				if policy != operation.Disconnect && (got.lost == 0 || uint64(got.lost) != st.Dropped["queue_full"] || got.got+got.lost != n) {
					t.Errorf("%+v, %+v", got, st)
				}
				balance(t, h)
				if policy == operation.Disconnect {
					return
				}
				// It has caught up: it is waited for again.
				before := st.Blocked
				for i := range 300 {
					must(t, r.Emit(t.Context(), numbered(n+i, 100)))
				}
				must(t, p.s.Ping(t.Context()))
				if st := h.h.Status(); st.Blocked == before {
					t.Errorf("%+v", st)
				}
				balance(t, h)
				x.Session().Close()
				h.h.Close()
				balance(t, h)
			})
		})
	}
}

// Who ends while it holds publishers up gives their credit back.
func TestBlockEnds(t *testing.T) {
	h := newHouse(t, hub.Config{MaxBlock: time.Hour})
	h.base.RouteWindow = 8 << 10
	p := h.join("p", nil)
	r := p.declare("ch", "t", false)
	for _, end := range []func(q *party, x *session.Stream){
		func(_ *party, x *session.Stream) { x.Cancel() },
		func(q *party, _ *session.Stream) { q.s.Close() },
	} {
		q := h.join("stopped", &session.Config{StreamWindow: 1 << 10})
		x := q.blocking("t", time.Hour, "", 5)
		before := h.h.Status().Blocked
		done := make(chan error, 1)
		go func() {
			for i := range 1000 {
				if err := r.Emit(patience(t), numbered(i, 100)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for h.h.Status().Blocked < before+5 { // the window may begin half used up
			must(t, q.s.Ping(t.Context()))
			select {
			case err := <-done:
				t.Fatalf("the publisher was not held up: %v, %+v", err, h.h.Status())
			default:
			}
		}
		end(q, x)
		must(t, <-done)
		must(t, p.s.Ping(t.Context())) // what was under way is not for the next one
		q.s.Close()
		q.s.Wait()
		q.hubs.Wait()
	}
	must(t, p.s.Ping(t.Context()))
	balance(t, h)
	for _, in := range []operation.Subscription{
		{Channel: "ch", Pattern: "t", Policy: operation.Block, Block: 3601},
		{Channel: "ch", Pattern: "t", Policy: operation.Block, OnBlock: operation.Block},
		{Channel: "ch", Pattern: "t", Block: 1},
	} {
		x, err := p.s.Route(method(operation.Channel, operation.Subscribe)).Open(t.Context(), session.ServerStream, session.Message{Codec: json1, Payload: encoded(t, in)})
		must(t, err)
		_, err = x.Recv(t.Context(), nil)
		wantCode(t, err, status.InvalidArgument)
	}
}

func encoded(t testing.TB, v any) []byte {
	b, err := json.Marshal(v)
	must(t, err)
	return b
}
