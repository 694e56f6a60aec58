// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// waiting has so many publications wait for a subscriber that reads nothing.
func waiting(t *testing.T, h *house, slow *party, n int) (x *session.Stream, queued int) {
	t.Helper()
	p := h.join("publisher", nil)
	r := p.declare("feed", "ticks", false)
	x, _ = slow.open(operation.Subscribe, operation.Subscription{Channel: "feed", Pattern: "ticks", Queue: n})
	for i := range n {
		must(t, r.Emit(patience(t), numbered(i, 100)))
	}
	must(t, p.s.Ping(patience(t)))
	st := h.h.Stats().Publications
	if int(st.Queued) < n/2 || len(st.Dropped) > 0 {
		t.Fatalf("%+v", st)
	}
	return x, int(st.Queued)
}

// awaitDrain returns when the hub has told that it ends.
func (p *party) awaitDrain() {
	p.t.Helper()
	for {
		if _, err := p.call("x", "y", ""); status.CodeOf(err) == status.Unavailable {
			return
		} else if status.CodeOf(err) != status.NoProvider {
			p.t.Fatal(err)
		}
	}
}

// What waits for a subscriber who reads is delivered before the hub ends, in order and all of it.
func TestDrainDeliversWhatWaits(t *testing.T) {
	eachPipe(t, hub.Config{MaxQueue: 20_000}, func(t *testing.T, h *house) {
		const n = 10_000
		slow := h.join("slow", &session.Config{StreamWindow: 4096})
		x, _ := waiting(t, h, slow, n)
		done := make(chan error, 1)
		go func() {
			_, err := h.h.Drain(patience(t))
			done <- err
		}()
		var seen reading
		for seen.next < n {
			item, err := x.Recv(patience(t), nil)
			must(t, err)
			seen.take(t, item)
		}
		_, err := x.Recv(patience(t), nil)
		wantCode(t, err, status.Unavailable)
		must(t, <-done)
		if r := h.h.DrainReport(); r.Undelivered != 0 || r.CallsCut != 0 || len(r.Left) != 0 {
			t.Fatalf("%+v", r)
		}
		<-slow.s.Done()
	})
}

// stuck is who takes events and does nothing with them until it is released.
type stuck struct{ release chan struct{} }

func (x stuck) Bind(*session.Session, wire.Bind) (session.Target, error) { return x, nil }
func (x stuck) Receive(*session.Session, *session.Frame)                 { <-x.release }
func (x stuck) Call(c *session.Call)                                     { c.Reply(session.Message{}) }

// A hub whose streams are stuck and for whose subscriber ten thousand messages wait ends when
// its time is up, and says which calls were cut, how much was not delivered and to whom.
func TestDrainReport(t *testing.T) {
	const n = 10_000
	h := newHouse(t, hub.Config{MaxQueue: 20_000})
	hand := stuck{make(chan struct{})}
	slow := h.join("slow", &session.Config{StreamWindow: 4096, RouteWindow: 200, Router: hand})
	defer close(hand.release)
	_, queued := waiting(t, h, slow, n)
	running := make(chan struct{}, 1)
	h.join("p", router(map[string]func(*session.Call){"block": block(running)})).provide("ch", "block")
	c := h.join("c", nil)
	call := c.s.Route(method("ch", "block")).Go(t.Context(), session.Message{})
	<-running
	slow.joinChannel("ch")
	c.joinChannel("ch")
	const broadcasts = 50
	e := c.s.Route(wire.Bind{Class: wire.ClassBroadcast, Channel: "ch", Name: "news"})
	for range broadcasts {
		must(t, c.emit(e, "hear"))
	}
	must(t, c.s.Ping(patience(t)))

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	cut, err := h.h.Drain(ctx)
	wantCode(t, err, status.DeadlineExceeded)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	r := h.h.DrainReport()
	if cut != 1 || r.CallsCut != 1 {
		t.Errorf("%d calls were cut, %+v", cut, r)
	}
	events := 0
	for _, l := range r.Left {
		if l.Event && l.Member == "slow" && l.Channel == "ch" && l.Name == "news" {
			events = l.Messages
		}
	}
	want := operation.Undelivered{Member: "slow", Channel: "feed", Name: "ticks", Messages: queued}
	if len(r.Left) == 0 || r.Left[0] != want || r.Undelivered != queued+events || events == 0 {
		t.Errorf("%+v, want %+v", r, want)
	}
	_, err = call.Wait(patience(t))
	wantCode(t, err, status.PeerGone)
	st := h.h.Stats()
	if st.Publications.Queued != 0 || st.Publications.Dropped["closed"] != uint64(queued) || st.QueuedBytes != 0 {
		t.Errorf("%+v", st.Publications)
	}
	balance(t, h)
}

// A subscriber who dies, or gives up, while the hub waits for it, holds up nothing, and what
// it had still to get is told.
func TestDrainWithoutTheReceiver(t *testing.T) {
	for name, leave := range map[string]func(p *party, x *session.Stream){
		"dies":     func(p *party, _ *session.Stream) { p.s.Close() },
		"gives up": func(_ *party, x *session.Stream) { x.Cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, hub.Config{MaxQueue: 20_000})
			slow := h.join("slow", &session.Config{StreamWindow: 4096})
			x, queued := waiting(t, h, slow, 1000)
			done := make(chan error, 1)
			go func() {
				_, err := h.h.Drain(patience(t))
				done <- err
			}()
			slow.awaitDrain()
			leave(slow, x)
			must(t, <-done)
			if r := h.h.DrainReport(); r.Undelivered == 0 || r.Undelivered > queued || r.CallsCut != 0 {
				t.Errorf("%+v of %d", r, queued)
			}
			balance(t, h)
		})
	}
}

// Who asks for the end, and for the report, gets it after all others have ended.
func TestStopTellsWhatWasCut(t *testing.T) {
	var h *house
	stopped := make(chan error, 1)
	h = newHouse(t, hub.Config{AllowStop: true, MaxQueue: 20_000, OnStop: func(drain time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		_, err := h.h.Drain(ctx)
		stopped <- err
	}})
	slow := h.join("slow", &session.Config{StreamWindow: 4096})
	_, queued := waiting(t, h, slow, 1000)
	impatient := h.join("impatient", nil)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error, 1)
	go func() {
		in := encoded(t, operation.StopRequest{Drain: 0.3, Report: true})
		_, err := impatient.s.Route(method(operation.Channel, operation.Stop)).Call(ctx, session.Message{Codec: 1, Payload: in}, nil)
		given <- err
	}()
	slow.awaitDrain()
	cancel()
	wantCode(t, <-given, status.Cancelled)
	wantCode(t, <-stopped, status.DeadlineExceeded)
	if r := h.h.DrainReport(); r.Undelivered != queued {
		t.Errorf("%+v", r)
	}

	h = newHouse(t, hub.Config{AllowStop: true, MaxQueue: 20_000, OnStop: func(drain time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		_, err := h.h.Drain(ctx)
		stopped <- err
	}})
	slow = h.join("slow", &session.Config{StreamWindow: 4096})
	_, queued = waiting(t, h, slow, 1000)
	p := h.join("p", nil)
	var out operation.Stopped
	p.mustOp(operation.Stop, operation.StopRequest{Drain: 0.1, Report: true}, &out)
	if out.Report == nil || out.Report.Undelivered != queued || out.Report.CallsCut != 0 || out.Report.Left[0].Member != "slow" {
		t.Fatalf("%+v", out.Report)
	}
	wantCode(t, <-stopped, status.DeadlineExceeded)
	<-p.s.Done()
	<-slow.s.Done()
}
