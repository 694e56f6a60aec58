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
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// The first publication after Subscribe has returned is never lost, whichever of several
// publishers makes it, and after the subscription was given up none comes: 10,000 times.
func TestNoLostFirstMessage(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		const workers, rounds = 4, 1250
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		owner := h.join("owner", nil)
		for w := range workers {
			owner.declare("ch", fmt.Sprint("t", w), true)
		}
		var wg sync.WaitGroup
		for w := range workers {
			name := fmt.Sprint("t", w)
			c, p := h.join("", nil), h.join("", nil)
			r := p.topic("ch", name)
			wg.Go(func() {
				for i := range rounds {
					x, conf := c.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: []string{name, "*", ">"}[i%3]})
					if conf.Topics == 0 {
						t.Errorf("%+v", conf)
						return
					}
					if err := r.Emit(ctx, numbered(i, 0)); err != nil {
						t.Error(err)
						return
					}
					for {
						item, err := x.Recv(ctx, nil)
						if err != nil {
							t.Errorf("publication %d of %s: %v", i, name, err)
							return
						}
						if item.From.Name != name {
							continue // another worker's
						}
						if got := int(binary.LittleEndian.Uint64(item.Payload)); got != i {
							t.Errorf("publication %d of %s is the first, want %d", got, name, i)
							return
						}
						break
					}
					x.Cancel()
				}
			})
		}
		wg.Wait()
		balance(t, h)
	})
}

// Whatever subscribers with all policies do, with values replayed and publishers that wait for
// receipts, every publication to each of them is delivered, dropped or queued, and what each
// was told of what it missed is exact.
func TestBalanceOfAllPolicies(t *testing.T) {
	eachPipe(t, hub.Config{MaxBlock: 2 * time.Millisecond, MaxKeptBytes: 20 << 10}, func(t *testing.T, h *house) {
		h.base.RouteWindow = 8 << 10
		rng := rand.New(rand.NewPCG(7, 8))
		p := h.join("p", nil)
		var topics []*session.Route
		for i := range 4 {
			topics = append(topics, p.keeping(fmt.Sprintf("t.%d", i), 10*i, 0))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 12 {
			c := h.join("", &session.Config{StreamWindow: 512 << (i % 5)})
			for j := range 4 {
				in := operation.Subscription{
					Channel: "ch", Pattern: []string{"t.*", ">", "t.1", "t.2"}[(i+j)%4], Queue: 1 + i*j, Replay: 3 * j,
					Policy: []string{operation.DropOldest, operation.DropNewest, operation.Disconnect, operation.Block}[j],
				}
				if j == 3 {
					in.OnBlock, in.QueueBytes = []string{operation.DropOldest, operation.DropNewest, operation.Disconnect}[i%3], 2000
				}
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
		const n = 3000
		for i := range n {
			m := numbered(i, rng.IntN(300))
			if i%50 == 7 {
				m.Deadline = 1000
				_, err := p.acknowledged(topics[i%4], m)
				must(t, err)
				continue
			}
			must(t, topics[i%4].Emit(patience(t), m))
		}
		must(t, p.s.Ping(t.Context()))
		cancel()
		wg.Wait()
		ctx = patience(t)
		for st := h.h.Status(); !accounted(st); st = h.h.Status() { // as long as queues are being given up
			must(t, p.s.Ping(ctx))
		}
		h.h.Close()
		balance(t, h)
		if st := h.h.Status(); st.Published != n || st.Queued != 0 || st.Blocked == 0 || st.Replayed != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// accounted reports whether no publication is unaccounted for.
func accounted(st operation.HubStatus) bool {
	sum := st.Delivered + st.Queued
	for _, reason := range []string{"queue_full", "closed", "too_large", "barred"} {
		sum += st.Dropped[reason]
	}
	return sum == st.Matched
}

// Publications that nobody has subscribed to are counted, those on a topic that is nobody's or
// another's are refused with a code of their own and not counted.
func TestOrphans(t *testing.T) {
	h := newHouse(t, hub.Config{})
	a, b := h.join("a", nil), h.join("b", nil)
	r := a.declare("ch", "t", false)
	for i := range 5 {
		must(t, r.Emit(t.Context(), numbered(i, 0)))
	}
	must(t, a.s.Ping(t.Context()))
	wantCode(t, b.emit(b.topic("ch", "t"), ""), status.NotOwner)
	wantCode(t, b.emit(b.topic("ch", "u"), ""), status.Undeclared)
	x := b.subscribe("ch", "t")
	must(t, a.emit(r, ""))
	_, err := x.Recv(patience(t), nil)
	must(t, err)
	if st := h.h.Status(); st.Orphaned != 5 || st.Published != 6 || st.Matched != 1 {
		t.Fatalf("%+v", st)
	}
}

// 4 (publish): a member that is not the owner cannot publish by a call either, nor answer for a
// receiver, nor make up a receipt.
func TestWeakness4ForgedAcknowledgement(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner := h.join("owner", nil)
	owner.declare("ch", "t", false)
	lazy := h.join("lazy", nil).subscribe("ch", "t")
	result := make(chan operation.Receipt)
	go func() {
		m := numbered(0, 0)
		m.Deadline = 200_000
		got, err := owner.acknowledged(owner.topic("ch", "t"), m)
		if err != nil {
			t.Error(err)
		}
		result <- got
	}()
	for h.h.Status().Matched == 0 {
		must(t, owner.s.Ping(t.Context()))
	}
	evil := h.rawJoin()
	evil.send(wire.Header{Kind: wire.KindBind, Route: 1}, wire.AppendBind(nil, wire.Bind{Class: wire.ClassTopic, Channel: "ch", Name: "t"}))
	forged, err := json.Marshal(operation.Receipt{Matched: 1, Delivered: 1, Receivers: []string{"lazy"}})
	must(t, err)
	for slot := range uint32(20) {
		for _, parity := range []uint32{0, 1} {
			id := 1<<19 | slot<<1 | parity
			evil.send(wire.Header{Kind: wire.KindCredit, ID: id}, wire.AppendCredit(nil, wire.Credit{Limit: 1 << 40, Acked: 1 << 40}))
			evil.send(wire.Header{Kind: wire.KindReply, Flags: wire.FlagEnd, ID: id, Codec: 1, Source: 1}, forged)
		}
	}
	evil.send(wire.Header{Kind: wire.KindCall, Flags: wire.FlagEnd, ID: 1<<19 | 60, Route: 1, Source: 1, Sequence: 1}, []byte("forged"))
	must(t, evil.s.Ping(t.Context()))
	if got := <-result; fmt.Sprint(got.Missed) != "[{lazy deadline}]" {
		t.Fatalf("%+v", got)
	}
	item, err := lazy.Recv(patience(t), nil)
	must(t, err)
	if lazy.Session().SourceName(item.Source) != "owner" || h.h.Status().Published != 1 {
		t.Fatalf("from %q, %+v", lazy.Session().SourceName(item.Source), h.h.Status())
	}
}

// A receiver that says it has taken what it was never sent harms nobody but itself.
func TestReceiverThatOverstates(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner := h.join("owner", nil)
	r := owner.declare("ch", "t", false)
	evil := h.rawJoin()
	body := encoded(t, operation.Subscription{Channel: "ch", Pattern: "t"})
	evil.send(wire.Header{Kind: wire.KindBind, Route: 1}, wire.AppendBind(nil, method(operation.Channel, operation.Subscribe)))
	id := uint32(1<<19 | 60)
	evil.send(wire.Header{Kind: wire.KindCall, Flags: wire.FlagEnd, ID: id, Route: 1, Codec: 1, Bits: wire.MakeBits(0, wire.ServerStream, false)}, body)
	evil.send(wire.Header{Kind: wire.KindCredit, ID: id}, wire.AppendCredit(nil, wire.Credit{Limit: 1<<64 - 1, Acked: 1<<64 - 1}))
	must(t, evil.s.Ping(t.Context()))
	drain(t, h.join("fair", nil).subscribe("ch", "t"))
	for i := range 100 {
		must(t, r.Emit(t.Context(), numbered(i, 0)))
	}
	m := numbered(100, 0)
	m.Deadline = 20_000
	got, err := owner.acknowledged(owner.topic("ch", "t"), m)
	must(t, err)
	t.Log(got)
	if got.Matched != 2 {
		t.Fatalf("%+v", got)
	}
	balance(t, h)
}
