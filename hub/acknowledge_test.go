// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// acknowledged publishes and waits for the receipt.
func (p *party) acknowledged(r *session.Route, m session.Message) (operation.Receipt, error) {
	var out operation.Receipt
	rep, err := r.Call(p.t.Context(), m, nil)
	if err == nil {
		err = json.Unmarshal(rep.Payload, &out)
	}
	slices.Sort(out.Receivers)
	return out, err
}

// drain takes what comes, in the background.
func drain(t testing.TB, x *session.Stream) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := x.Borrow(ctx); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func TestAcknowledgedPublication(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		p := h.join("p", nil)
		p.declare("ch", "t", false)
		r := p.topic("ch", "t")
		got, err := p.acknowledged(r, numbered(0, 0))
		must(t, err)
		if got.Matched != 0 || got.Complete() {
			t.Fatalf("%+v", got)
		}
		for i := range 3 {
			drain(t, h.join(fmt.Sprint("c", i), nil).subscribe("ch", "*"))
		}
		drain(t, p.subscribe("ch", "t")) // its own, too
		for i, size := range []int{0, 100, 300 << 10, 1 << 20} {
			got, err := p.acknowledged(r, numbered(i, size))
			must(t, err)
			if !got.Complete() || got.Matched != 4 || fmt.Sprint(got.Receivers) != "[c0 c1 c2 p]" || got.Missed != nil {
				t.Fatalf("%+v", got)
			}
		}
		balance(t, h)
	})
}

// Being queued, at the hub or at the receiver, is not enough: the receiver's program has to
// take it. Who has not when the time is up is named.
func TestAcknowledgedMeansTaken(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	p.declare("ch", "t", false)
	lazy := h.join("lazy", nil).subscribe("ch", "t")
	drain(t, h.join("keen", nil).subscribe("ch", "t"))
	done := make(chan operation.Receipt)
	go func() {
		got, err := p.acknowledged(p.topic("ch", "t"), numbered(0, 0))
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	must(t, lazy.Session().Ping(t.Context()))
	select {
	case got := <-done:
		t.Fatalf("%+v", got)
	default:
	}
	_, err := lazy.Recv(patience(t), nil)
	must(t, err)
	if got := <-done; !got.Complete() || got.Matched != 2 {
		t.Fatalf("%+v", got)
	}
	m := numbered(1, 0)
	m.Deadline = 20_000 // microseconds
	got, err := p.acknowledged(p.topic("ch", "t"), m)
	must(t, err)
	if fmt.Sprint(got.Receivers, got.Missed) != "[keen] [{lazy deadline}]" || got.Matched != 2 || got.Complete() {
		t.Fatalf("%+v", got)
	}
	// What is taken later is late, not wrong.
	_, err = lazy.Recv(patience(t), nil)
	must(t, err)
	got, err = p.acknowledged(p.topic("ch", "t"), m)
	must(t, err)
	if got.Delivered != 1 {
		t.Fatalf("%+v", got)
	}
}

// Why a receiver missed it: dropped by its policy, too long for it, or gone.
func TestAcknowledgedMissed(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	r := p.declare("ch", "t", false)
	full, _ := h.join("full", &session.Config{StreamWindow: 256}).open(operation.Subscribe,
		operation.Subscription{Channel: "ch", Pattern: "t", Queue: 1, Policy: operation.DropNewest})
	drain(t, h.join("small", &session.Config{MaxMessage: 1000}).subscribe("ch", "t"))
	for i := range 10 {
		must(t, r.Emit(t.Context(), numbered(i, 200)))
	}
	lane := p.topic("ch", "t")
	got, err := p.acknowledged(lane, numbered(10, 2000))
	must(t, err)
	if fmt.Sprint(got.Missed) != "[{full queue_full} {small too_large}]" && fmt.Sprint(got.Missed) != "[{small too_large} {full queue_full}]" || got.Matched != 2 {
		t.Fatalf("%+v", got)
	}
	full.Cancel()
	must(t, full.Session().Ping(t.Context()))
	for _, end := range []func(*party, *session.Stream){
		func(q *party, _ *session.Stream) { q.s.Close() },
		func(_ *party, x *session.Stream) { x.Cancel() },
	} {
		q := h.join("gone", nil)
		x := q.subscribe("ch", "t")
		before := h.h.Status().Matched
		result := make(chan operation.Receipt)
		go func() {
			got, err := p.acknowledged(lane, numbered(11, 0))
			if err != nil {
				t.Error(err)
			}
			result <- got
		}()
		for h.h.Status().Matched < before+2 {
			must(t, q.s.Ping(t.Context()))
		}
		end(q, x)
		if got := <-result; fmt.Sprint(got.Receivers, got.Missed) != "[small] [{gone closed}]" {
			t.Fatalf("%+v", got)
		}
		q.s.Close()
		q.s.Wait()
		q.hubs.Wait()
	}
	balance(t, h)
}

func TestAcknowledgedRights(t *testing.T) {
	h := newHouse(t, hub.Config{})
	a, b := h.join("a", nil), h.join("b", nil)
	lane := b.topic("ch", "t")
	_, err := b.acknowledged(lane, numbered(0, 0))
	wantCode(t, err, status.Undeclared)
	a.declare("ch", "t", false)
	_, err = b.acknowledged(lane, numbered(0, 0))
	wantCode(t, err, status.NotOwner)
	a.mustOp(operation.Retract, operation.Topic{Channel: "ch", Name: "t"}, nil)
	b.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t"}, nil)
	for range 3 {
		_, err = b.acknowledged(lane, numbered(0, 0))
		must(t, err)
		b.mustOp(operation.Retract, operation.Topic{Channel: "ch", Name: "t"}, nil)
		_, err = b.acknowledged(lane, numbered(0, 0))
		wantCode(t, err, status.Undeclared)
		b.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t"}, nil)
		must(t, b.emit(b.topic("ch", "t"), "")) // the ordinary lane does not hear of that
	}
	x, err := lane.Open(t.Context(), session.ServerStream, numbered(0, 0))
	must(t, err)
	_, err = x.Recv(patience(t), nil)
	wantCode(t, err, status.WrongShape)
}

// What the hub waits for is bounded, and nothing is left when publishers give up.
func TestAcknowledgedIsBounded(t *testing.T) {
	h := newHouse(t, hub.Config{MaxAwaited: 10})
	p := h.join("p", nil)
	p.declare("ch", "t", false)
	lane := p.topic("ch", "t")
	for i := range 4 {
		h.join(fmt.Sprint("lazy", i), nil).subscribe("ch", "t")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, err := lane.Call(ctx, numbered(0, 0), nil)
			wantCode(t, err, status.Cancelled)
		})
	}
	for h.h.Status().Matched < 8 {
		must(t, p.s.Ping(t.Context()))
	}
	_, err := p.acknowledged(lane, numbered(0, 0))
	wantCode(t, err, status.Overloaded)
	cancel()
	wg.Wait()
	must(t, p.s.Ping(t.Context()))
	m := numbered(0, 0)
	m.Deadline = 1000
	got, err := p.acknowledged(lane, m)
	must(t, err)
	if got.Matched != 4 || got.Delivered != 0 {
		t.Fatalf("%+v", got)
	}
}

// Many publications that wait at a time, to many who come and go, are all answered, and every
// receiver has one result.
func TestAcknowledgedStorm(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		p := h.join("p", nil)
		p.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Keep: 5}, nil)
		lane := p.topic("ch", "t")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg, subs sync.WaitGroup
		var all []*party
		for i := range 6 {
			c := h.join(fmt.Sprint("c", i), &session.Config{StreamWindow: 1 << (9 + i)})
			all = append(all, c)
			subs.Go(func() {
				for {
					in := operation.Subscription{Channel: "ch", Pattern: "t", Queue: 1 + i, Policy: []string{operation.DropOldest, operation.DropNewest}[i%2], Replay: i}
					x, _ := c.open(operation.Subscribe, in)
					for range 5 + 10*i {
						if _, err := x.Borrow(ctx); err != nil {
							break
						}
					}
					if x.Cancel(); ctx.Err() != nil {
						return
					}
				}
			})
		}
		for range 16 {
			wg.Go(func() {
				for i := range 60 {
					got, err := p.acknowledged(lane, numbered(i, 10+i))
					if err != nil || got.Delivered+len(got.Missed) != got.Matched || len(got.Receivers) != got.Delivered {
						t.Errorf("%+v, %v", got, err)
						return
					}
				}
			})
		}
		wg.Wait()
		cancel()
		subs.Wait()
		for _, c := range all { // what they have given up is told
			must(t, c.s.Ping(patience(t)))
		}
		balance(t, h)
	})
}
