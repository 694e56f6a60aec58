// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// share provides a method in a group.
func (p *party) share(name string, s operation.Sharing) {
	p.t.Helper()
	p.mustOp(operation.Provide, operation.Offer{Channel: "ch", Method: name, Sharing: s}, nil)
}

// named answers with the name of who has been asked.
func named(id string) func(c *session.Call) {
	return func(c *session.Call) { c.Reply(session.Message{Payload: []byte(id)}) }
}

// workers brings in members w0, w1 …, who provide "job" in a group.
func (h *house) workers(n int, s operation.Sharing, job func(i int) func(c *session.Call)) []*party {
	h.t.Helper()
	var all []*party
	for i := range n {
		id := fmt.Sprint("w", i)
		f := named(id)
		if job != nil {
			f = job(i)
		}
		p := h.join(id, router(map[string]func(*session.Call){"job": f}))
		p.share("job", s)
		all = append(all, p)
	}
	return all
}

func (p *party) explore(name string) operation.MethodInfo {
	p.t.Helper()
	var x operation.Exploration
	p.mustOp(operation.Explore, operation.Query{Channel: "ch", Name: name}, &x)
	if len(x.Methods) != 1 {
		p.t.Fatalf("%+v", x)
	}
	return x.Methods[0]
}

func TestGroupIsAgreedUpon(t *testing.T) {
	h := newHouse(t, hub.Config{})
	a, b, c := h.join("a", nil), h.join("b", nil), h.join("c", nil)
	offer := func(s operation.Sharing) operation.Offer {
		return operation.Offer{Channel: "ch", Method: "job", Sharing: s}
	}
	a.share("job", operation.Sharing{Group: "g", Balance: operation.RoundRobin, Capacity: 3, Idempotent: true})
	b.share("job", operation.Sharing{Group: "g", Capacity: 4, Idempotent: true})
	for _, s := range []operation.Sharing{
		{}, {Capacity: 1}, {Group: "other"}, {Group: "g", Balance: operation.Sticky},
	} {
		wantCode(t, c.op(operation.Provide, offer(s), nil), status.AlreadyExists)
	}
	for _, s := range []operation.Sharing{
		{Balance: operation.Sticky}, {Group: "g", Balance: "best"}, {Group: "g", Capacity: -1}, {Group: " g"},
		{Group: "g", Balance: operation.All, Capacity: 1},
	} {
		wantCode(t, c.op(operation.Provide, offer(s), nil), status.InvalidArgument)
	}
	x := offer(operation.Sharing{Group: "g", Balance: operation.All})
	x.Shape = uint8(wire.ServerStream)
	wantCode(t, c.op(operation.Provide, x, nil), status.InvalidArgument)
	x.Balance = ""
	wantCode(t, c.op(operation.Provide, x, nil), status.AlreadyExists) // other streams
	got := c.explore("job")
	want := operation.Sharing{Group: "g", Balance: operation.RoundRobin, Capacity: 7, Idempotent: true}
	if got.Sharing != want || !slices.Equal(got.Providers, []string{"a", "b"}) {
		t.Fatalf("%+v", got)
	}
	a.mustOp(operation.Withdraw, offer(operation.Sharing{}), nil)
	wantCode(t, a.op(operation.Withdraw, offer(operation.Sharing{}), nil), status.NotFound)
	b.share("job", operation.Sharing{Group: "h"}) // the only one may change everything
	if got := c.explore("job"); got.Group != "h" || got.Balance != operation.LeastActive || got.Capacity != 0 {
		t.Fatalf("%+v", got)
	}
	b.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	_, err := c.call("ch", "job", "")
	wantCode(t, err, status.NoProvider)
}

// Round-robin gives everybody the same, and goes on with who is left.
func TestRoundRobin(t *testing.T) {
	eachPipe(t, hub.Config{OwnerPolicy: hub.Promote}, func(t *testing.T, h *house) {
		w := h.workers(3, operation.Sharing{Group: "g", Balance: operation.RoundRobin}, nil)
		c := h.join("", nil)
		ask := func(n int) (got []string) {
			for range n {
				who, err := c.call("ch", "job", "")
				must(t, err)
				got = append(got, who)
			}
			return got
		}
		if got := ask(6); !slices.Equal(got, []string{"w0", "w1", "w2", "w0", "w1", "w2"}) {
			t.Fatal(got)
		}
		w[1].mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "job"}, nil)
		if got := ask(4); !slices.Equal(got, []string{"w0", "w2", "w0", "w2"}) {
			t.Fatal(got)
		}
		must(t, w[0].s.Close())
		w[0].hubs.Wait()
		if got := ask(2); !slices.Equal(got, []string{"w2", "w2"}) {
			t.Fatal(got)
		}
	})
}

// Eight workers of which one is a hundred times slower: it gets at most 2 % of 10,000 jobs,
// by every policy that looks at who has time. A job takes as many steps of a clock that
// ticks with each job that is done by the others.
func TestSlowWorkerGetsLittle(t *testing.T) {
	for _, s := range []operation.Sharing{
		{Group: "g"}, {Group: "g", Balance: operation.RoundRobin, Capacity: 1},
		{Group: "g", Balance: operation.TwoChoices, Capacity: 4},
		{Group: "g", Balance: operation.Sticky, Capacity: 2},
	} {
		t.Run(s.Balance, func(t *testing.T) {
			const jobs, callers, slowness = 10000, 32, 100
			h := newHouse(t, hub.Config{})
			var mu sync.Mutex
			done, counts := 0, make([]int, 8)
			var line []chan struct{} // the slow worker does one job after the other
			finish := func(i int) {
				mu.Lock()
				defer mu.Unlock()
				counts[i]++
				if done++; done%(7*slowness) == 0 && len(line) > 0 || done >= jobs-callers {
					for n, x := range line {
						if n > 0 && done < jobs-callers {
							break
						}
						close(x)
						line = line[1:]
					}
				}
			}
			h.workers(8, s, func(i int) func(c *session.Call) {
				return func(c *session.Call) {
					if i == 3 {
						wait := make(chan struct{})
						mu.Lock()
						if line = append(line, wait); done >= jobs-callers {
							line = line[:len(line)-1]
							close(wait)
						}
						mu.Unlock()
						_ = c.Context()
						<-wait
					}
					finish(i)
					c.Reply(session.Message{})
				}
			})
			var left atomic.Int64
			left.Store(jobs)
			var wg sync.WaitGroup
			for range callers {
				p := h.join("", nil)
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := p.call("ch", "job", ""); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%v", counts)
			if n := counts[3]; n > jobs*2/100 || n == 0 {
				t.Fatalf("the slow worker got %d of %d: %v", n, jobs, counts)
			}
		})
	}
}

// Calls beyond what the providers take wait, in order, and are refused when too many do; one
// whose caller gives up waits no more, and a place that is free is used.
func TestCapacity(t *testing.T) {
	eachPipe(t, hub.Config{MaxWaiting: 2}, func(t *testing.T, h *house) {
		running := make(chan string, 8)
		var mu sync.Mutex
		release := map[string]chan struct{}{}
		gate := func(name string) chan struct{} {
			mu.Lock()
			defer mu.Unlock()
			if release[name] == nil {
				release[name] = make(chan struct{})
			}
			return release[name]
		}
		w := h.workers(1, operation.Sharing{Capacity: 1}, func(int) func(c *session.Call) {
			return func(c *session.Call) {
				name := string(c.Payload)
				ctx := c.Context()
				running <- name
				select {
				case <-gate(name):
					echo(c)
				case <-ctx.Done():
					c.Fail(ctx.Err())
				}
			}
		})
		c := h.join("", nil)
		begin := func(name string) *session.Pending {
			return c.s.Route(method("ch", "job")).Go(t.Context(), session.Message{Payload: []byte(name)})
		}
		waiting := func(want int) {
			t.Helper()
			must(t, c.s.Ping(t.Context()))
			if x := c.explore("job"); x.Active != 1 || x.Waiting != want || h.h.Status().Waiting != uint64(want) {
				t.Fatalf("active %d, waiting %d", x.Active, x.Waiting)
			}
		}
		first := begin("first")
		if got := <-running; got != "first" {
			t.Fatal(got)
		}
		second, third := begin("second"), begin("third")
		waiting(2)
		_, err := c.call("ch", "job", "fourth")
		wantCode(t, err, status.Overloaded)
		if n := h.h.Status().Refused; n != 1 {
			t.Fatal(n)
		}
		second.Cancel()
		_, err = second.Wait(patience(t))
		wantCode(t, err, status.Cancelled)
		waiting(1)
		fifth := begin("fifth")
		waiting(2)
		close(gate("first"))
		_, err = first.Wait(patience(t))
		must(t, err)
		if got := <-running; got != "third" {
			t.Fatal(got)
		}
		waiting(1)
		w[0].share("job", operation.Sharing{Capacity: 2}) // it takes more from now on
		if got := <-running; got != "fifth" {
			t.Fatal(got)
		}
		close(gate("third"))
		close(gate("fifth"))
		for _, p := range []*session.Pending{third, fifth} {
			_, err = p.Wait(patience(t))
			must(t, err)
		}
		if x := c.explore("job"); x.Active != 0 || x.Waiting != 0 {
			t.Fatalf("%+v", x)
		}
	})
}

// What waits for a provider that goes is told, or goes on to another.
func TestWaitingCallsMoveOn(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		running := make(chan struct{}, 8)
		s := operation.Sharing{Group: "g", Balance: operation.Sticky, Capacity: 1}
		w := h.workers(1, s, func(int) func(c *session.Call) { return block(running) })
		c := h.join("", nil)
		r := c.s.Route(method("ch", "job"))
		keyed := session.Message{Headers: []wire.Pair{{Key: operation.HeaderKey, Value: "k"}}}
		blocked := r.Go(t.Context(), keyed)
		<-running
		waits := []*session.Pending{r.Go(t.Context(), keyed), r.Go(t.Context(), session.Message{})}
		must(t, c.s.Ping(t.Context()))
		other := h.join("other", router(map[string]func(*session.Call){"job": named("other")}))
		other.share("job", s)
		w[0].mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "job"}, nil)
		for _, p := range waits {
			rep, err := p.Wait(patience(t))
			must(t, err)
			if string(rep.Payload) != "other" {
				t.Fatalf("answered by %s", rep.Payload)
			}
		}
		other.mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "job"}, nil)
		w[0].share("job", s)
		p := r.Go(t.Context(), session.Message{})
		<-running
		late := r.Go(t.Context(), session.Message{})
		must(t, c.s.Ping(t.Context()))
		must(t, w[0].s.Close())
		_, err := late.Wait(patience(t))
		wantCode(t, err, status.NoProvider)
		for _, p := range []*session.Pending{p, blocked} {
			_, err = p.Wait(patience(t))
			wantCode(t, err, status.PeerGone)
		}
	})
}

// A call whose provider dies is sent to another if it may be executed twice, and the provider
// is told so; if not the caller is told at once. All attempts end at some time.
func TestProviderDies(t *testing.T) {
	for _, c := range []struct {
		name         string
		offer, call  bool
		deaths, want int // who answers; -1: nobody
	}{
		{"neither", false, false, 1, -1}, {"provider says so", true, false, 1, 1}, {"caller says so", false, true, 2, 2},
		{"too often", true, true, 3, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachPipe(t, hub.Config{OwnerPolicy: hub.Promote}, func(t *testing.T, h *house) {
				var w []*party
				var seen []string
				w = h.workers(4, operation.Sharing{Group: "g", Balance: operation.RoundRobin, Idempotent: c.offer}, func(i int) func(x *session.Call) {
					return func(x *session.Call) {
						seen = append(seen, string(wire.FindHeader(x.Ext, operation.HeaderAttempt))) // one after the other
						if i < c.deaths {
							w[i].hubs.CloseWith(&status.Error{Code: status.PeerGone, Message: "killed"})
							return
						}
						x.Reply(session.Message{Payload: append([]byte(fmt.Sprint("w", i, " ")), x.Payload...)})
					}
				})
				p := h.join("", nil)
				rep, err := p.s.Route(method("ch", "job")).Call(patience(t), session.Message{Payload: []byte("x"), Idempotent: c.call,
					Headers: []wire.Pair{{Key: "k", Value: "v"}}}, nil)
				if c.want < 0 {
					wantCode(t, err, status.PeerGone)
					return
				}
				must(t, err)
				if want := fmt.Sprint("w", c.want, " x"); string(rep.Payload) != want {
					t.Fatalf("%s, not %s, attempts %q", rep.Payload, want, seen)
				}
				if want := []string{"", "2", "3"}[:c.want+1]; !slices.Equal(seen, want) {
					t.Fatalf("attempts %q", seen)
				}
				if n := h.h.Status().Resent; n != uint64(c.want) {
					t.Fatal(n)
				}
				if x := p.explore("job"); x.Active != 0 {
					t.Fatalf("%+v", x)
				}
			})
		})
	}
}

// What waits has a bound in bytes, too, and what is kept to be sent again: a call for which
// there is no memory is made, but not made again.
func TestGroupMemoryIsBounded(t *testing.T) {
	h := newHouse(t, hub.Config{DefaultQueueBytes: 64 << 10, OwnerPolicy: hub.Promote})
	running := make(chan struct{}, 8)
	w := h.workers(2, operation.Sharing{Group: "g", Balance: operation.RoundRobin, Capacity: 2, Idempotent: true}, func(i int) func(c *session.Call) {
		if i == 1 {
			return named("w1")
		}
		return block(running)
	})
	c := h.join("", nil)
	to := func(target string) *session.Pending {
		return c.s.Route(wire.Bind{Class: wire.ClassMethod, Channel: "ch", Name: "job", Target: target}).Go(t.Context(), session.Message{Payload: make([]byte, 40<<10)})
	}
	kept, filler := to(""), to("w0")
	<-running
	<-running
	w[1].mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "job"}, nil)
	_, err := to("").Wait(patience(t)) // w0 has two, one of which is kept: no room to wait
	wantCode(t, err, status.Overloaded)
	w[0].share("job", operation.Sharing{Group: "g", Capacity: 3, Idempotent: true})
	loose := to("")
	<-running
	w[1].share("job", operation.Sharing{Group: "g", Idempotent: true})
	must(t, w[0].s.Close())
	rep, err := kept.Wait(patience(t))
	must(t, err)
	if string(rep.Payload) != "w1" {
		t.Fatalf("answered by %s", rep.Payload)
	}
	for _, p := range []*session.Pending{filler, loose} {
		_, err = p.Wait(patience(t))
		wantCode(t, err, status.PeerGone)
	}
}

// The policy of a group that names none is told, also in a channel that the first provider makes.
func TestGroupTellsItsPolicy(t *testing.T) {
	h := newHouse(t, hub.Config{})
	h.join("a", nil).share("job", operation.Sharing{Group: "g"})
	p := h.join("p", nil)
	if x := p.explore("job"); x.Group != "g" || x.Balance != operation.LeastActive {
		t.Errorf("%+v", x)
	}
}

// Calls that a group refuses are counted with those that fail otherwise.
func TestGroupCountsRefusals(t *testing.T) {
	h := newHouse(t, hub.Config{MaxWaiting: 1})
	running := make(chan struct{}, 1)
	h.workers(1, operation.Sharing{Group: "g", Capacity: 1}, func(int) func(c *session.Call) { return block(running) })
	c := h.join("", nil)
	r := c.s.Route(method("ch", "job"))
	r.Go(t.Context(), session.Message{})
	<-running
	r.Go(t.Context(), session.Message{})
	must(t, c.s.Ping(t.Context()))
	_, err := r.Call(t.Context(), session.Message{}, nil)
	wantCode(t, err, status.Overloaded)
	if n := h.h.Stats().Calls.Failed["overloaded"]; n != 1 {
		t.Errorf("%d refused calls are counted: %v", n, h.h.Stats().Calls.Failed)
	}
}
