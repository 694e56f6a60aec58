// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

func (p *party) keeping(name string, keep int, age time.Duration) *session.Route {
	p.t.Helper()
	p.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: name, Shared: true, Keep: keep, KeepAge: age.Seconds()}, nil)
	return p.topic("ch", name)
}

// numbers receives n publications.
func numbers(t testing.TB, x *session.Stream, n int) (got []int) {
	t.Helper()
	for range n {
		item, err := x.Recv(patience(t), nil)
		must(t, err)
		got = append(got, int(binary.LittleEndian.Uint64(item.Payload)))
	}
	return got
}

func (p *party) replay(pattern string, n int, age time.Duration) (*session.Stream, int) {
	p.t.Helper()
	x, c := p.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: pattern, Replay: n, ReplayAge: age.Seconds()})
	return x, c.Replayed
}

func wantNumbers(t testing.TB, got []int, want ...int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestReplayOfTheLast(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		p, c := h.join("p", nil), h.join("c", nil)
		r := p.keeping("t", 5, 0)
		for i := range 8 {
			must(t, r.Emit(t.Context(), numbered(i, 0)))
		}
		must(t, p.s.Ping(t.Context()))
		x, n := c.replay("t", 3, 0)
		all, m := c.replay("*", 100, 0)
		none := c.subscribe("ch", "t")
		if n != 3 || m != 5 {
			t.Fatalf("replayed %d and %d", n, m)
		}
		must(t, r.Emit(t.Context(), numbered(8, 0)))
		wantNumbers(t, numbers(t, x, 4), 5, 6, 7, 8)
		wantNumbers(t, numbers(t, all, 6), 3, 4, 5, 6, 7, 8)
		wantNumbers(t, numbers(t, none, 1), 8)
		balance(t, h)
		if st := h.h.Status(); st.Replayed != 8 || st.Kept == 0 {
			t.Fatalf("%+v", st)
		}
		// What is kept ends with the topic.
		p.mustOp(operation.Retract, operation.Topic{Channel: "ch", Name: "t"}, nil)
		if st := h.h.Status(); st.Kept != 0 {
			t.Fatalf("%d bytes are kept", st.Kept)
		}
		p.keeping("t", 5, 0)
		if _, n := c.replay("t", 100, 0); n != 0 {
			t.Fatalf("%d values of a topic that has ended", n)
		}
	})
}

// clock is one that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestReplayByAge(t *testing.T) {
	clk := &clock{now: time.Unix(1e9, 0)}
	h := newHouse(t, hub.Config{Now: clk.Now})
	p, c := h.join("p", nil), h.join("c", nil)
	a, b := p.keeping("a", 0, time.Minute), p.keeping("b", 2, 0)
	for i := range 10 { // a value every ten seconds on each
		for _, r := range []*session.Route{a, b} {
			must(t, r.Emit(t.Context(), numbered(i, 0)))
			must(t, p.s.Ping(t.Context()))
			clk.pass(5 * time.Second)
		}
	}
	x, n := c.replay("a", 0, 26*time.Second)
	if n != 2 {
		t.Fatalf("%d values", n)
	}
	wantNumbers(t, numbers(t, x, n), 8, 9)
	// Of several topics they come in the order in which they were published.
	x, n = c.replay(">", 2, time.Hour)
	wantNumbers(t, numbers(t, x, n), 8, 8, 9, 9)
	x, n = c.replay(">", 0, time.Hour)
	wantNumbers(t, numbers(t, x, n), 4, 5, 6, 7, 8, 8, 9, 9)
	clk.pass(time.Hour)
	if _, n = c.replay(">", 0, 2*time.Hour); n != 2 { // b keeps its two for any time
		t.Fatalf("%d values", n)
	}
}

// The bytes of a topic, and of all topics, are bounded, and a subscriber gets no more than
// its queue holds.
func TestReplayIsBounded(t *testing.T) {
	h := newHouse(t, hub.Config{MaxKeptBytesPerTopic: 10 << 10, MaxKeptBytes: 25 << 10})
	p, c := h.join("p", nil), h.join("c", nil)
	for k := range 5 {
		r := p.keeping(fmt.Sprint("t", k), 1000, 0)
		for i := range 40 {
			must(t, r.Emit(t.Context(), numbered(i, 872))) // with what it costs: 1000
		}
	}
	must(t, p.s.Ping(t.Context()))
	if st := h.h.Status(); st.Kept > 25<<10 || st.Kept < 20<<10 {
		t.Fatalf("%d bytes are kept", st.Kept)
	}
	x, n := c.replay("t0", 100, 0)
	if got := numbers(t, x, n); n != 10 || got[9] != 39 || got[0] != 30 {
		t.Fatalf("%d values, %v", n, got)
	}
	x, conf := c.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "t0", Replay: 100, Queue: 3})
	wantNumbers(t, numbers(t, x, conf.Replayed), 37, 38, 39)
	x, conf = c.open(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: "t0", Replay: 100, QueueBytes: 4100})
	wantNumbers(t, numbers(t, x, conf.Replayed), 36, 37, 38, 39)
	// One value that is too large for all leaves nothing: what is kept has no hole.
	must(t, p.topic("ch", "t0").Emit(t.Context(), numbered(40, 11<<10)))
	must(t, p.s.Ping(t.Context()))
	if _, n := c.replay("t0", 100, 0); n != 0 {
		t.Fatalf("%d values", n)
	}
	balance(t, h)
}

// Those who share a topic keep the same; redeclaring changes what is kept.
func TestKeepTerms(t *testing.T) {
	h := newHouse(t, hub.Config{})
	a, b := h.join("a", nil), h.join("b", nil)
	r := a.keeping("t", 5, 0)
	wantCode(t, b.op(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Shared: true, Keep: 6}, nil), status.AlreadyExists)
	b.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Shared: true}, nil)
	for i := range 5 {
		must(t, r.Emit(t.Context(), numbered(i, 0)))
	}
	must(t, a.s.Ping(t.Context()))
	var x operation.Exploration
	b.mustOp(operation.Explore, operation.Query{Channel: "ch"}, &x)
	if len(x.Topics) != 1 || x.Topics[0].Keep != 5 {
		t.Fatalf("%+v", x)
	}
	a.keeping("t", 2, 0)
	s, n := b.replay("t", 100, 0)
	wantNumbers(t, numbers(t, s, n), 3, 4)
	a.keeping("t", 0, 0)
	if _, n := b.replay("t", 100, 0); n != 0 || h.h.Status().Kept != 0 {
		t.Fatalf("%d values, %+v", n, h.h.Status())
	}
	wantCode(t, b.op(operation.Declare, operation.Topic{Channel: "ch", Name: "u", Keep: -1}, nil), status.InvalidArgument)
}

// While two publishers publish, subscribers come: each gets what was kept and then what comes
// live, of each publisher without a hole, a double or a wrong order, whenever it came.
func TestReplaySeam(t *testing.T) {
	eachPipe(t, hub.Config{DefaultQueue: 1 << 14, DefaultQueueBytes: 64 << 20}, func(t *testing.T, h *house) {
		const publishers, total, keep = 2, 4000, 50
		owner := h.join("p0", nil)
		owner.keeping("t", keep, 0)
		var wg sync.WaitGroup
		for k := range publishers {
			r := h.join(fmt.Sprint("q", k), nil).topic("ch", "t")
			wg.Go(func() {
				for i := range total {
					if err := r.Emit(patience(t), numbered(i, 0)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		c := h.join("c", nil)
		for i := range 100 {
			x, n := c.replay([]string{"t", ">"}[i%2], keep, 0)
			wg.Go(func() {
				defer x.Cancel()
				next := map[string]int{}
				for k := range n + 500 {
					if k == n && len(next) > 0 && allDone(next, total) {
						return
					}
					item, err := x.Recv(patience(t), nil)
					if err != nil {
						t.Error(err)
						return
					}
					from, got := x.Session().SourceName(item.Source), int(binary.LittleEndian.Uint64(item.Payload))
					if want, ok := next[from]; ok && got != want {
						t.Errorf("subscriber %d: %d of %s, want %d (replayed %d, now at %d)", i, got, from, want, n, k)
						return
					}
					if next[from] = got + 1; allDone(next, total) {
						return
					}
				}
			})
		}
		wg.Wait()
		must(t, c.s.Ping(t.Context()))
		balance(t, h)
	})
}

// allDone reports whether nothing more comes of any publisher that was heard.
func allDone(next map[string]int, total int) bool {
	for _, n := range next {
		if n < total {
			return false
		}
	}
	return true
}
