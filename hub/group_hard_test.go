// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Calls of all lengths go through a group, whether they are kept or not, wait or not.
func TestGroupCallsOfAllLengths(t *testing.T) {
	for _, s := range []operation.Sharing{
		{Group: "g"}, {Group: "g", Idempotent: true}, {Group: "g", Capacity: 1}, {Group: "g", Capacity: 1, Idempotent: true, Balance: operation.TwoChoices},
	} {
		eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
			h.workers(3, s, func(int) func(c *session.Call) { return echo })
			var wg sync.WaitGroup
			for range 3 {
				r := h.join("", nil).s.Route(method("ch", "job"))
				for _, size := range []int{0, 64, 64 << 10, 70 << 10, 300 << 10} {
					want := bytes.Repeat([]byte{byte(size >> 10)}, size)
					wg.Go(func() {
						for range 8 {
							rep, err := r.Call(t.Context(), session.Message{Payload: want}, nil)
							if err != nil || !bytes.Equal(rep.Payload, want) {
								t.Errorf("%d bytes: %d bytes, %v", size, len(rep.Payload), err)
								return
							}
						}
					})
				}
			}
			wg.Wait()
			if x := h.join("", nil).explore("job"); x.Active != 0 || x.Waiting != 0 {
				t.Fatalf("%+v", x)
			}
		})
	}
}

// A provider that reads nothing fills its outbox: calls for it wait there, are given up there,
// and go to another when it dies; nobody who reads for others is held up by it.
func TestStalledProviderOfGroup(t *testing.T) {
	h := newHouse(t, hub.Config{OwnerPolicy: hub.Promote})
	w := h.workers(2, operation.Sharing{Group: "g", Balance: operation.RoundRobin, Idempotent: true}, nil)
	c := h.join("", nil)
	stall(w[0], true)
	r := c.s.Route(method("ch", "job"))
	const calls = 60 // every other one goes to the stalled one
	pending, ended := make(map[*session.Pending]bool), make(chan *session.Pending, calls)
	var wg sync.WaitGroup
	for range calls {
		p := r.Go(t.Context(), session.Message{Payload: make([]byte, 100<<10)})
		pending[p] = true
		wg.Go(func() {
			<-p.Done()
			ended <- p
		})
	}
	take := func(codes ...status.Code) {
		t.Helper()
		p := <-ended
		delete(pending, p)
		rep, err := p.Wait(t.Context())
		if err != nil && !slices.Contains(codes, status.CodeOf(err)) || err == nil && string(rep.Payload) != "w1" {
			t.Fatalf("%s, %v", rep.Payload, err)
		}
	}
	for range calls / 2 {
		take()
	}
	for p := range pending {
		p.Cancel()
		take(status.Cancelled)
		break
	}
	_ = w[0].hubs.CloseWith(&status.Error{Code: status.PeerGone, Message: "killed"})
	for len(pending) > 0 {
		take(status.PeerGone) // what is kept for a second try is bounded
	}
	wg.Wait()
	if x := c.explore("job"); x.Active != 0 || x.Waiting != 0 {
		t.Fatalf("%+v", x)
	}
}

// A hub that is closed has nothing left of what waits at it.
func TestCloseWithWaitingCalls(t *testing.T) {
	for _, stalled := range []bool{false, true} {
		h := newHouse(t, hub.Config{})
		running := make(chan struct{}, 10)
		w := h.workers(1, operation.Sharing{Group: "g", Capacity: 3, Idempotent: true}, func(int) func(c *session.Call) { return block(running) })
		c := h.join("", nil)
		stall(w[0], stalled)
		var pending []*session.Pending
		for range 10 {
			pending = append(pending, c.s.Route(method("ch", "job")).Go(context.Background(), session.Message{Payload: make([]byte, 200<<10)}))
		}
		if !stalled {
			for range 3 {
				<-running
			}
		}
		must(t, c.s.Ping(patience(t)))
		must(t, h.h.Close())
		for _, p := range pending {
			if _, err := p.Wait(patience(t)); err == nil {
				t.Fatal("it was answered")
			}
		}
	}
}

// All of a group are held to the schema that the first has announced.
func TestGroupHasOneSchema(t *testing.T) {
	cfg, _ := checking(schema.Reject)
	cfg.OwnerPolicy = hub.Promote
	h := newHouse(t, cfg)
	offer := func(p *party, in []byte) error {
		return p.op(operation.Provide, operation.Offer{Channel: "ch", Method: "job", Input: in, Sharing: operation.Sharing{Group: "g", Capacity: 1}}, nil)
	}
	config := router(map[string]func(*session.Call){"job": echo})
	a, b, c := h.join("a", config), h.join("b", config), h.join("c", config)
	must(t, offer(a, most(4)))
	must(t, offer(b, nil))
	must(t, offer(c, most(4)))
	wantCode(t, offer(b, most(5)), status.AlreadyExists)
	try := func() {
		t.Helper()
		for range 3 {
			_, err := c.call("ch", "job", "four")
			must(t, err)
			_, err = c.call("ch", "job", "fives")
			misfits(t, err, status.InvalidArgument, "ch/job")
		}
	}
	try()
	a.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	try()
	must(t, offer(b, most(6))) // they are its terms now
	_, err := c.call("ch", "job", "fives")
	must(t, err)
}

// 18: least-active counts a stream once, however many items it has, and a call that was given
// up, or whose caller has gone, no more.
func TestWeakness18LeastActiveWithStreams(t *testing.T) {
	h := newHouse(t, hub.Config{})
	keeper := h.join("keeper", nil)
	for i := range 2 {
		p := h.join(fmt.Sprint("w", i), router(streams))
		p.mustOp(operation.Provide, operation.Offer{Channel: "ch", Method: "echoes", Shape: uint8(wire.Duplex), Sharing: operation.Sharing{Group: "g"}}, nil)
	}
	active := func(want int) {
		t.Helper()
		ctx := patience(t)
		for {
			x := keeper.explore("echoes")
			if x.Active == want {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("%+v, want %d", x, want)
			}
		}
	}
	ctx := patience(t)
	caller := h.join("caller", nil)
	var open []*session.Stream
	for range 6 {
		x, err := caller.s.Route(method("ch", "echoes")).Open(ctx, wire.Duplex, session.Message{})
		must(t, err)
		for range 50 {
			must(t, x.Send(ctx, session.Message{Payload: []byte("x")}))
			_, err := x.Recv(ctx, nil)
			must(t, err)
		}
		open = append(open, x)
	}
	active(6)
	must(t, open[0].CloseSend())
	_, err := open[0].Recv(ctx, nil)
	if err != io.EOF {
		t.Fatal(err)
	}
	open[1].Cancel()
	active(4)
	must(t, caller.s.Close())
	active(0)
}

// A hub that drains lets the call that runs end, and refuses the one that waits with a status
// that is safe to try again.
func TestDrainWithWaitingCalls(t *testing.T) {
	h := newHouse(t, hub.Config{})
	running, release := make(chan struct{}, 2), make(chan struct{})
	h.workers(1, operation.Sharing{Group: "g", Capacity: 1}, func(int) func(c *session.Call) {
		return func(c *session.Call) {
			_ = c.Context()
			running <- struct{}{}
			<-release
			echo(c)
		}
	})
	c := h.join("", nil)
	r := c.s.Route(method("ch", "job"))
	first := r.Go(t.Context(), session.Message{})
	<-running
	second := r.Go(t.Context(), session.Message{})
	must(t, c.s.Ping(t.Context()))
	drained := make(chan error, 1)
	go func() {
		_, err := h.h.Drain(patience(t))
		drained <- err
	}()
	ctx := patience(t)
	for c.op(operation.Status, operation.Empty{}, nil) == nil { // until it takes no more calls
		must(t, ctx.Err())
	}
	close(release)
	_, err := first.Wait(patience(t))
	must(t, err)
	if _, err = second.Wait(patience(t)); err != nil && !status.Retryable(err) {
		t.Fatal(err)
	}
	must(t, <-drained)
}

// After a provider has died of a call nobody can say that it has not taken effect: also if the
// next one says so of itself.
func TestSecondProviderRefuses(t *testing.T) {
	h := newHouse(t, hub.Config{OwnerPolicy: hub.Promote})
	var w []*party
	w = h.workers(2, operation.Sharing{Group: "g", Balance: operation.RoundRobin, Idempotent: true}, func(i int) func(c *session.Call) {
		return func(c *session.Call) {
			if i == 0 {
				_ = w[0].hubs.CloseWith(&status.Error{Code: status.PeerGone, Message: "killed"})
				return
			}
			c.Fail(status.Errorf(status.Overloaded, "not now"))
		}
	})
	c := h.join("", nil)
	_, err := c.call("ch", "job", "")
	wantCode(t, err, status.Overloaded)
	if status.Retryable(err) {
		t.Fatalf("%v is said to be safe", err)
	}
	_, err = c.call("ch", "job", "")
	if wantCode(t, err, status.Overloaded); !status.Retryable(err) {
		t.Fatalf("%v is said to be unsafe", err)
	}
}
