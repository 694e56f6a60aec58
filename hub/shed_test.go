// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// hoard has n publications of size bytes wait for a member of its own, who reads nothing.
func hoard(t *testing.T, h *house, id string, n, size int) *party {
	t.Helper()
	p := h.join(id, &session.Config{StreamWindow: 1024})
	r := p.declare(id, "t", false)
	p.open(operation.Subscribe, operation.Subscription{Channel: id, Pattern: "t", Queue: 10_000})
	for i := range n {
		if r.Emit(t.Context(), numbered(i, size)) != nil {
			break // it was cut off
		}
	}
	_ = p.s.Ping(patience(t))
	return p
}

// When more waits at the hub than may, the member for whom most waits is cut off, and nobody
// else; it is told which bound it was, and it is counted and logged.
func TestTheHeaviestIsCut(t *testing.T) {
	const bound = 1 << 20
	h := newHouse(t, hub.Config{MaxQueued: bound})
	idle := h.join("idle", nil)
	small := hoard(t, h, "small", 100, 2000)
	medium := hoard(t, h, "medium", 150, 2000)
	large := hoard(t, h, "large", 10_000, 2000)
	<-large.s.Done()
	err := large.s.Err()
	wantCode(t, err, status.LimitExceeded)
	if l, ok := service.LimitOf(err); !ok || l.Name != "queued_bytes" || l.Scope != "hub" || l.Bound != bound || l.Usage <= bound || service.RetryAfter(err) == 0 {
		t.Errorf("%+v", l)
	}
	large.hubs.Wait()
	must(t, idle.s.Ping(patience(t)))
	must(t, small.s.Ping(patience(t)))
	must(t, medium.s.Ping(patience(t)))
	st := h.h.Stats()
	if st.Shed != 1 || st.Limits != 1 || st.Sessions != 3 || st.QueuedBytes > bound || st.QueuedBytes < 240*2000 {
		t.Errorf("%+v", st)
	}
	balance(t, h)
}

// Many who flood at the same time are cut one after the other, and are gone; those who read
// stay; the bound holds.
func TestManyHoarders(t *testing.T) {
	const bound, hoarders = 1 << 20, 8
	h := newHouse(t, hub.Config{MaxQueued: bound})
	reader := h.join("reader", nil)
	x := reader.subscribe("good", "t")
	p := h.join("p", nil)
	r := p.declare("good", "t", false)
	var wg sync.WaitGroup
	for i := range hoarders {
		wg.Go(func() { hoard(t, h, fmt.Sprint("hoarder", i), 2000, 2000) })
	}
	var seen reading
	for i := range 500 {
		must(t, r.Emit(patience(t), numbered(i, 500)))
		item, err := x.Recv(patience(t), nil)
		must(t, err)
		seen.take(t, item)
		if st := h.h.Stats(); st.QueuedBytes > bound/4*5+hoarders*2200 {
			t.Fatalf("%d bytes wait", st.QueuedBytes)
		}
	}
	wg.Wait()
	must(t, reader.s.Ping(patience(t)))
	must(t, p.s.Ping(patience(t)))
	over := patience(t)
	for h.h.Stats().QueuedBytes > bound && over.Err() == nil { // the last may be about to leave
		runtime.Gosched()
	}
	if st := h.h.Stats(); st.Shed < hoarders-2 || st.QueuedBytes > bound {
		t.Errorf("%+v", st)
	}
	balance(t, h)
}
