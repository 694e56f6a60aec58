// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

func numbered(n, size int) session.Message {
	return session.Message{Payload: binary.LittleEndian.AppendUint64(make([]byte, 0, max(size, 8)), uint64(n))[:max(size, 8)]}
}

// reading is what a subscriber has found: numbers of publications, and gaps.
type reading struct {
	next, got, lost int
}

// take takes an item: the numbers that are missing must have been told as a gap before.
func (r *reading) take(t testing.TB, item session.Item) {
	t.Helper()
	if item.From.Name == "" {
		var c operation.Confirmation
		must(t, json.Unmarshal(item.Payload, &c))
		r.lost += int(c.Dropped)
		r.next += int(c.Dropped)
		return
	}
	if n := int(binary.LittleEndian.Uint64(item.Payload)); n != r.next {
		t.Fatalf("publication %d where %d was due (%d gone)", n, r.next, r.lost)
	}
	r.next++
	r.got++
}

func TestPublicationsKeepTheirOrder(t *testing.T) {
	eachPipe(t, hub.Config{DefaultQueue: 1 << 15}, func(t *testing.T, h *house) {
		p := h.join("p", nil)
		r := p.declare("ch", "a.b", false)
		var subs []*session.Stream
		for range 3 {
			c := h.join("", nil)
			subs = append(subs, c.subscribe("ch", "a.*"), c.subscribe("ch", ">"), c.subscribe("ch", "a.b"))
			c.subscribe("ch", "b.>")
			c.subscribe("other", ">")
		}
		const n = 5000
		var wg sync.WaitGroup
		for _, x := range subs {
			wg.Go(func() {
				for i := range n {
					item, err := x.Recv(patience(t), nil)
					if err != nil || binary.LittleEndian.Uint64(item.Payload) != uint64(i) || item.Sequence != uint64(i+1) {
						t.Errorf("item %d: sequence %d, %v", i, item.Sequence, err)
						return
					}
				}
			})
		}
		for i := range n {
			must(t, r.Emit(t.Context(), numbered(i, 0)))
		}
		wg.Wait()
	})
}

func TestWhoMayPublish(t *testing.T) {
	h := newHouse(t, hub.Config{})
	a, b := h.join("a", nil), h.join("b", nil)
	wantCode(t, b.emit(b.topic("ch", "t"), ""), status.Undeclared)
	own, shared := a.declare("ch", "own", false), a.declare("ch", "shared", true)
	must(t, a.emit(own, ""))
	must(t, a.emit(shared, ""))
	must(t, b.emit(b.topic("ch", "shared"), ""))
	foreign := b.topic("ch", "own")
	wantCode(t, b.emit(foreign, ""), status.NotOwner)
	wantCode(t, b.op(operation.Declare, operation.Topic{Channel: "ch", Name: "own"}, nil), status.AlreadyExists)
	wantCode(t, b.op(operation.Declare, operation.Topic{Channel: "ch", Name: "own", Shared: true}, nil), status.AlreadyExists)
	wantCode(t, b.op(operation.Declare, operation.Topic{Channel: "ch", Name: "shared"}, nil), status.AlreadyExists)
	wantCode(t, b.op(operation.Retract, operation.Topic{Channel: "ch", Name: "own"}, nil), status.NotFound)
	wantCode(t, b.op(operation.Declare, operation.Topic{Channel: "ch", Name: "a.*"}, nil), status.InvalidArgument)

	// What was allowed ends with the declaration, and what was not may become so.
	a.mustOp(operation.Retract, operation.Topic{Channel: "ch", Name: "own"}, nil)
	must(t, a.s.Ping(t.Context()))
	wantCode(t, a.emit(own, ""), status.Undeclared)
	wantCode(t, b.emit(foreign, ""), status.Undeclared)
	b.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "own"}, nil)
	must(t, b.emit(foreign, ""))
	wantCode(t, a.emit(own, ""), status.NotOwner)
}

// A shared topic lasts as long as anybody who declared it.
func TestSharedTopicOutlivesItsFirstHolder(t *testing.T) {
	h := newHouse(t, hub.Config{OwnerPolicy: hub.Promote})
	a, b, c := h.join("a", nil), h.join("b", nil), h.join("c", nil)
	a.declare("ch", "t", true)
	r := b.declare("ch", "t", true)
	a.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	must(t, b.emit(r, ""))
	must(t, c.emit(c.topic("ch", "t"), ""))
	b.mustOp(operation.Retract, operation.Topic{Channel: "ch", Name: "t"}, nil)
	must(t, b.s.Ping(t.Context()))
	must(t, c.s.Ping(t.Context()))
	wantCode(t, b.emit(r, ""), status.Undeclared)
	wantCode(t, c.emit(c.topic("ch", "t"), ""), status.Undeclared)
}

// A subscription is in effect when it has been confirmed: the next publication of anybody
// arrives; after it was given up none does.
func TestSubscribeIsEffectiveWhenItReturns(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		p, c := h.join("p", nil), h.join("c", nil)
		early, conf := c.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "t"}) // before the channel exists
		if conf.Topics != 0 {
			t.Fatalf("%+v", conf)
		}
		r := p.declare("ch", "t", false)
		for i := range 200 {
			x, conf := c.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: []string{"t", "*", ">"}[i%3]})
			if conf.Topics != 1 {
				t.Fatalf("%+v", conf)
			}
			must(t, r.Emit(t.Context(), numbered(i, 0)))
			for _, s := range []*session.Stream{x, early} {
				item, err := s.Recv(patience(t), nil)
				must(t, err)
				if n := binary.LittleEndian.Uint64(item.Payload); int(n) != i {
					t.Fatalf("publication %d, want %d", n, i)
				}
			}
			x.Cancel()
		}
		early.Cancel()
		must(t, c.s.Ping(t.Context()))
		before := h.h.Status().Matched
		must(t, r.Emit(t.Context(), numbered(0, 0)))
		must(t, p.s.Ping(t.Context()))
		if st := h.h.Status(); st.Matched != before || st.Subscriptions != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// The payload of one publication reaches a subscriber that takes long messages and misses
// one that does not, which is told.
func TestPublicationTooLargeForOne(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	r := p.declare("ch", "t", false)
	small, big := h.join("small", &session.Config{MaxMessage: 1000}).subscribe("ch", "t"), h.join("big", nil).subscribe("ch", "t")
	for i, size := range []int{10, 300 << 10, 10} {
		must(t, r.Emit(t.Context(), numbered(i, size)))
	}
	var a, b reading
	for range 3 {
		item, err := small.Recv(patience(t), nil)
		must(t, err)
		a.take(t, item)
		item, err = big.Recv(patience(t), nil)
		must(t, err)
		b.take(t, item)
	}
	if a.got != 2 || a.lost != 1 || b.got != 3 || h.h.Status().Dropped["too_large"] != 1 {
		t.Fatalf("%+v, %+v, %v", a, b, h.h.Status().Dropped)
	}
}

// One subscriber reads nothing: the publisher and the others do not wait for it, and what
// it misses is told exactly, in its place.
func TestStalledSubscriber(t *testing.T) {
	for _, policy := range []string{operation.DropOldest, operation.DropNewest} {
		t.Run(policy, func(t *testing.T) {
			eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
				p := h.join("p", nil)
				r := p.declare("ch", "t", false)
				slow, _ := h.join("slow", &session.Config{StreamWindow: 4 << 10}).open(operation.Subscribe,
					operation.Subscription{Channel: "ch", Pattern: "t", Queue: 50, Policy: policy})
				fast := h.join("fast", nil).subscribe("ch", "t")
				const n = 3000
				for i := range n {
					must(t, r.Emit(t.Context(), numbered(i, 100)))
					item, err := fast.Recv(patience(t), nil)
					must(t, err)
					if got := binary.LittleEndian.Uint64(item.Payload); got != uint64(i) {
						t.Fatalf("%d, want %d", got, i)
					}
				}
				must(t, p.s.Ping(t.Context()))
				balance(t, h)
				var r1 reading
				for r1.next < n {
					item, err := slow.Recv(patience(t), nil)
					must(t, err)
					r1.take(t, item)
				}
				st := h.h.Status()
				if r1.lost == 0 || uint64(r1.lost) != st.Dropped["queue_full"] || r1.got+r1.lost != n {
					t.Fatalf("%+v, dropped %v", r1, st.Dropped)
				}
				balance(t, h)
			})
		})
	}
}

// balance checks that no publication is unaccounted for.
func balance(t testing.TB, h *house) {
	t.Helper()
	st := h.h.Status()
	sum := st.Delivered + st.Queued
	for _, reason := range []string{"queue_full", "closed", "too_large", "barred"} {
		sum += st.Dropped[reason]
	}
	if sum != st.Matched {
		t.Fatalf("matched %d, accounted for %d: %+v", st.Matched, sum, st)
	}
}

func TestDisconnectPolicy(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	r := p.declare("ch", "t", false)
	slow, _ := h.join("slow", &session.Config{StreamWindow: 1 << 10}).open(operation.Subscribe,
		operation.Subscription{Channel: "ch", Pattern: "t", Queue: 5, Policy: operation.Disconnect})
	for i := range 100 {
		must(t, r.Emit(t.Context(), numbered(i, 200)))
	}
	must(t, p.s.Ping(t.Context()))
	var err error
	got := 0
	for ; err == nil; got++ {
		_, err = slow.Recv(patience(t), nil)
	}
	wantCode(t, err, status.Overloaded)
	if got > 10 || h.h.Status().Subscriptions != 0 {
		t.Fatalf("%d items, %+v", got, h.h.Status())
	}
	balance(t, h)
}

// A subscriber whose process has stopped: its outbox at the hub fills, many subscriptions
// on one session wait for room together, and all go on when it reads again.
func TestStoppedSubscriberGoesOn(t *testing.T) {
	h := newHouse(t, hub.Config{DefaultQueue: 100})
	p := h.join("p", nil)
	r := p.declare("ch", "t", false)
	slow := h.join("slow", &session.Config{StreamWindow: 4 << 20})
	var subs []*session.Stream
	for range 5 {
		subs = append(subs, slow.subscribe("ch", "t"))
	}
	stall(slow, true)
	const n = 1000
	for i := range n {
		must(t, r.Emit(t.Context(), numbered(i, 4000)))
	}
	must(t, p.s.Ping(t.Context()))
	balance(t, h)
	if st := h.h.Status(); st.Dropped["queue_full"] == 0 || slow.hubs.Stats().Queued > 3<<20 {
		t.Fatalf("%+v, outbox %d", st, slow.hubs.Stats().Queued)
	}
	stall(slow, false)
	var lost int
	for _, x := range subs {
		var r reading
		for r.next < n {
			item, err := x.Recv(patience(t), nil)
			must(t, err)
			r.take(t, item)
		}
		lost += r.lost
	}
	if got := h.h.Status().Dropped["queue_full"]; got != uint64(lost) {
		t.Fatalf("lost %d, dropped %d", lost, got)
	}
}

// The hub allocates nothing for a publication, nor do publisher and subscribers: not for one
// that comes alone, and hardly ever for many that come together.
func TestNoAllocationPerPublication(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := newHouse(t, hub.Config{})
	h.pipe = unixPipe(t)
	r := h.join("p", nil).declare("ch", "t", false)
	var subs []*session.Stream
	for range 8 {
		subs = append(subs, h.join("", nil).subscribe("ch", "t"))
	}
	ctx, payload := t.Context(), make([]byte, 64)
	publish := func(n int) {
		for range n {
			if err := r.Emit(ctx, session.Message{Payload: payload}); err != nil {
				t.Fatal(err)
			}
		}
		for _, x := range subs {
			for range n {
				if _, err := x.Borrow(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, together := range []int{1, 500} {
		for range 100 {
			publish(together)
		}
		if n := testing.AllocsPerRun(200, func() { publish(together) }) / float64(together); n > 0.5 {
			t.Errorf("%d at a time: %v allocations per publication in publisher, hub and 8 subscribers together", together, n)
		}
	}
	balance(t, h)
}

// What many subscribers get of many publishers, some of it long, is in order for each
// publisher, and names who has sent it.
func TestRunsOfManyPublishers(t *testing.T) {
	eachPipe(t, hub.Config{DefaultQueue: 1 << 14, DefaultQueueBytes: 64 << 20}, func(t *testing.T, h *house) {
		const publishers, n = 4, 1500
		var subs []*session.Stream
		for i := range 6 {
			subs = append(subs, h.join("", &session.Config{StreamWindow: 1 << (10 + 2*i)}).subscribe("ch", []string{"t", ">"}[i%2]))
		}
		owner := h.join("p0", nil)
		owner.declare("ch", "t", true)
		var wg sync.WaitGroup
		for i := range publishers {
			p := owner
			if i > 0 {
				p = h.join(fmt.Sprintf("p%d", i), nil)
			}
			r := p.topic("ch", "t")
			wg.Go(func() {
				for k := range n {
					size := 16
					if k%100 == i {
						size = 100 << 10 // in fragments
					}
					if err := r.Emit(patience(t), numbered(k, size)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for _, x := range subs {
			wg.Go(func() {
				next := map[string]int{}
				for range publishers * n {
					item, err := x.Borrow(patience(t))
					if err != nil {
						t.Error(err)
						return
					}
					from := x.Session().SourceName(item.Source)
					if got := int(binary.LittleEndian.Uint64(item.Payload)); got != next[from] || item.From.Name != "t" {
						t.Errorf("%d of %q on %q, want %d", got, from, item.From.Name, next[from])
						return
					}
					next[from]++
				}
				if len(next) != publishers {
					t.Errorf("from %v", next)
				}
			})
		}
		wg.Wait()
		balance(t, h)
	})
}

// Whatever subscribers do, each publication to each of them is delivered, dropped or queued.
func TestBalance(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		rng := rand.New(rand.NewPCG(1, 2))
		p := h.join("p", nil)
		var topics []*session.Route
		for i := range 4 {
			topics = append(topics, p.declare("ch", fmt.Sprintf("t.%d", i), false))
		}
		policies := []string{operation.DropOldest, operation.DropNewest, operation.Disconnect}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 12 {
			c := h.join("", &session.Config{StreamWindow: 512 << (i % 4)})
			for j := range 3 {
				in := operation.Subscription{Channel: "ch", Pattern: []string{"t.*", ">", "t.1", "t.2"}[(i+j)%4], Queue: 1 + i*j, Policy: policies[j]}
				x, _ := c.open(operation.Subscribe, in)
				if i%3 == 0 {
					continue // it never reads
				}
				stop := rng.IntN(400)
				wg.Go(func() {
					for k := 0; i%3 == 1 || k < stop; k++ {
						if _, err := x.Recv(ctx, nil); err != nil {
							return
						}
					}
					x.Cancel()
				})
			}
		}
		for i := range 3000 {
			must(t, topics[i%4].Emit(t.Context(), numbered(i, rng.IntN(300))))
		}
		must(t, p.s.Ping(t.Context()))
		cancel()
		wg.Wait()
		balance(t, h)
		h.h.Close()
		balance(t, h)
		if st := h.h.Status(); st.Published != 3000 || st.Queued != 0 {
			t.Fatalf("%+v", st)
		}
	})
}
