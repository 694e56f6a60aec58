// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

func TestEvents(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		const count = 5000
		got := make(chan uint64, count)
		router := methods{"news": {receive: func(_ *session.Session, f *session.Frame) { got <- f.Sequence }}}
		ds, _ := pair(t, d, a, nil, &session.Config{Router: router})
		r := ds.Route(topic("news"))
		for range count {
			must(t, r.Emit(patience(t), session.Message{Payload: make([]byte, 64)}))
		}
		must(t, ds.Ping(patience(t)))
		for i := range count {
			if seq := <-got; seq != uint64(i+1) {
				t.Fatalf("message %d has sequence %d", i+1, seq)
			}
		}
		r = ds.Route(topic("nothing"))
		for range 3 { // asked anew each time, and told each time
			wantCode(t, r.Emit(patience(t), session.Message{}), status.UnknownMethod)
		}
		ok, err := ds.Route(topic("news")).TryEmit(session.Message{})
		must(t, err)
		if !ok {
			t.Fatal("no credit at the beginning")
		}
	})
}

// One-way messages of many are collected and leave soon without anybody's help: those that
// wait are not forgotten.
func TestOneWayLeavesAlone(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		got := make(chan struct{})
		router := methods{"e": {receive: func(*session.Session, *session.Frame) { got <- struct{}{} }}}
		ds, _ := pair(t, d, a, nil, &session.Config{Router: router})
		r := ds.Route(event("e"))
		for range 20 {
			must(t, r.Emit(patience(t), session.Message{}))
			<-got
		}
		must(t, r.Emit(patience(t), session.Message{Payload: make([]byte, 1000)}))
		must(t, ds.Flush(patience(t)))
		if q := ds.Stats().Queued; q != 0 {
			t.Fatalf("%d bytes wait after Flush", q)
		}
		<-got
	})
}

// One-way messages are written in batches, calls at once.
func TestTwoSendClasses(t *testing.T) {
	d, a := unix(t)
	counted := &counter{Conn: d}
	ds, _ := pair(t, counted, a, nil, &session.Config{Router: methods{"e": {}, "echo": {call: echo}}})
	r := ds.Route(event("e"))
	must(t, r.Emit(patience(t), session.Message{}))
	before := counted.sends.Load()
	for range 1000 {
		must(t, r.Emit(patience(t), session.Message{Payload: make([]byte, 24)}))
	}
	must(t, ds.Flush(patience(t)))
	// How many come together depends on who runs when; one by one it would be 1000.
	if n := counted.sends.Load() - before; n > 200 {
		t.Errorf("1000 one-way messages of 64 bytes took %d writes", n)
	}
	before = counted.sends.Load()
	callMany(t, ds, 1, 20)
	if n := counted.sends.Load() - before; n < 20 {
		t.Errorf("20 calls in a row took %d writes", n)
	}
}

// counter counts what is sent. It embeds a Conn to be short: it offers no ability.
type counter struct {
	transport.Conn
	sends atomic.Int64
}

func (c *counter) Send(p []byte) error {
	c.sends.Add(1)
	return c.Conn.Send(p)
}

// A sender without credit waits until the receiver has taken something, by whichever
// goroutine it does that.
func TestCreditOfEvents(t *testing.T) {
	held := make(chan *session.Held, 100)
	router := methods{"e": {receive: func(_ *session.Session, f *session.Frame) { held <- f.Hold() }}}
	ds, _ := memPair(t, nil, &session.Config{Router: router, RouteWindow: 1000})
	r := ds.Route(event("e"))
	for range 10 { // the tenth begins at 9·100 < 1000
		must(t, r.Emit(patience(t), session.Message{Payload: make([]byte, 36)}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	late := make(chan error)
	go func() { late <- r.Emit(ctx, session.Message{}) }()
	must(t, ds.Ping(patience(t)))
	cancel()
	wantCode(t, <-late, status.Cancelled)
	if ok, err := r.TryEmit(session.Message{}); ok || err != nil {
		t.Fatal(ok, err)
	}
	go func() { late <- r.Emit(patience(t), session.Message{Payload: make([]byte, 5000)}) }()
	for range 5 {
		(<-held).Consumed()
	}
	must(t, <-late)
}

// A peer that keeps only few routes gets as many as there are, one after the other: a
// number is taken over, with fresh credit, and whoever waits for the old one's is woken
// (bug: for ever asleep).
func TestFewRoutes(t *testing.T) {
	var got [10]atomic.Int64
	router := methods{"echo": {call: echo}}
	for i := range got {
		router[fmt.Sprint(i)] = target{receive: func(*session.Session, *session.Frame) { got[i].Add(1) }}
	}
	ds, _ := memPair(t, nil, &session.Config{Router: router, MaxRoutes: 3, RouteWindow: 200})
	var wg sync.WaitGroup
	for i := range got {
		r := ds.Route(topic(fmt.Sprint(i)))
		for range 2 {
			wg.Go(func() {
				for range 100 {
					if err := r.Emit(patience(t), session.Message{Payload: make([]byte, 100)}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Go(func() { callMany(t, ds, 1000, 50) })
	wg.Wait()
	must(t, ds.Ping(patience(t)))
	for i := range got {
		if n := got[i].Load(); n != 200 {
			t.Errorf("topic %d got %d of 200", i, n)
		}
	}
}

// The number of a route stays its own while a long message is under way on it. If there is
// no other number, who needs one waits (bugs: the message went to another method; the
// search for a number never ended).
func TestLongMessageKeepsItsRoute(t *testing.T) {
	other := make(chan struct{}, 10)
	router := methods{
		"echo":  {call: echo},
		"other": {call: func(c *session.Call) { other <- struct{}{}; c.Reply(session.Message{}) }},
		"e":     {receive: func(*session.Session, *session.Frame) { other <- struct{}{} }},
	}
	cfg := &session.Config{Router: router, MaxRoutes: 1, MaxMessage: 4 << 20}
	ds, conn := slowPair(t, cfg)
	stall(conn, true)
	ctx := patience(t)
	done := make(chan error, 3)
	go func() {
		rep, err := ds.Route(method("echo")).Call(ctx, session.Message{Payload: make([]byte, 4<<20)}, nil)
		if err == nil && len(rep.Payload) != 4<<20 {
			err = errors.New("somebody else answered")
		}
		done <- err
	}()
	for ds.Stats().Queued <= 128<<10 {
		runtime.Gosched()
	}
	go func() {
		_, err := ds.Route(method("other")).Call(ctx, session.Message{}, nil)
		done <- err
	}()
	if ok, err := ds.Route(event("e")).TryEmit(session.Message{}); ok || err != nil {
		t.Fatal(ok, err)
	}
	stall(conn, false)
	must(t, <-done)
	must(t, <-done)
	<-other
	must(t, ds.Route(event("e")).Emit(ctx, session.Message{}))
	<-other
}

// A route that was refused, lost its number and is used again is bound properly (bug: to
// the number 0, which ended the session).
func TestRefusedAndEvicted(t *testing.T) {
	ds, _ := memPair(t, nil, &session.Config{Router: methods{"a": {}, "b": {}}, MaxRoutes: 1})
	bad := ds.Route(topic("bad"))
	for range 3 {
		if _, err := bad.TryEmit(session.Message{}); err != nil {
			wantCode(t, err, status.UnknownMethod)
		}
		must(t, ds.Ping(patience(t)))
		for _, name := range []string{"a", "b"} {
			must(t, ds.Route(topic(name)).Emit(patience(t), session.Message{}))
		}
	}
}

// A revoked route fails at the next use and can be asked for anew; it is revoked once,
// however much was under way.
func TestRevoke(t *testing.T) {
	x := &gate{}
	ds, as := memPair(t, nil, &session.Config{Router: x})
	r := ds.Route(topic("t"))
	must(t, r.Emit(patience(t), session.Message{}))
	x.shut.Store(true)
	for range 5 {
		as.Revoke(x, status.Errorf(status.PermissionDenied, "not any more"))
	}
	must(t, ds.Ping(patience(t)))
	wantCode(t, r.Emit(patience(t), session.Message{}), status.PermissionDenied)
	x.shut.Store(false)
	for range 3 {
		must(t, r.Emit(patience(t), session.Message{}))
	}
}

// gate is a Router and Target of one topic.
type gate struct {
	target
	shut atomic.Bool
}

func (g *gate) Bind(*session.Session, wire.Bind) (session.Target, error) {
	if g.shut.Load() {
		return nil, status.Errorf(status.PermissionDenied, "shut")
	}
	return g, nil
}

// A publication that is withdrawn in the middle costs neither credit nor a number of the
// lane, and Emit says so; those that wait for it go on.
func TestWithdrawnPublication(t *testing.T) {
	got := make(chan uint64, 100)
	router := methods{"t": {receive: func(_ *session.Session, f *session.Frame) { got <- f.Sequence }}}
	ds, conn := slowPair(t, &session.Config{Router: router, RouteWindow: 3 << 20, MaxMessage: 4 << 20})
	r := ds.Route(topic("t"))
	must(t, r.Emit(patience(t), session.Message{}))
	for range 3 {
		stall(conn, true)
		ctx, cancel := context.WithCancel(patience(t))
		failed, short := make(chan error, 1), make(chan error, 1)
		go func() { failed <- r.Emit(ctx, session.Message{Payload: make([]byte, 4<<20)}) }()
		for ds.Stats().Queued <= 128<<10 { // who has once waited above 256 KiB goes on below that
			runtime.Gosched()
		}
		go func() { short <- r.Emit(patience(t), session.Message{}) }()
		cancel()
		wantCode(t, <-failed, status.Cancelled)
		stall(conn, false)
		must(t, <-short)
	}
	must(t, ds.Ping(patience(t)))
	for want := range uint64(4) {
		if seq := <-got; seq != want+1 {
			t.Fatalf("sequence %d, want %d", seq, want+1)
		}
	}
}

// Long publications of many on one route are not mixed.
func TestLongPublications(t *testing.T) {
	var bad, n atomic.Int64
	router := methods{"t": {receive: func(_ *session.Session, f *session.Frame) {
		for _, b := range f.Payload {
			if b != f.Payload[0] {
				bad.Add(1)
				return
			}
		}
		n.Add(1)
	}}}
	ds, _ := memPair(t, nil, &session.Config{Router: router})
	r := ds.Route(topic("t"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := make([]byte, 150<<10)
			for j := range p {
				p[j] = byte(i)
			}
			for range 5 {
				if err := errors.Join(r.Emit(patience(t), session.Message{Payload: p}), r.Emit(patience(t), session.Message{Payload: p[:10]})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, ds.Ping(patience(t)))
	if bad.Load() > 0 || n.Load() != 80 {
		t.Fatalf("%d mixed, %d good", bad.Load(), n.Load())
	}
}

// Names and numbers of sources: introduced once, and anew when they were forgotten.
func TestSources(t *testing.T) {
	type from struct {
		n    uint64
		name string
	}
	got := make(chan from, 10)
	router := methods{"e": {receive: func(s *session.Session, f *session.Frame) { got <- from{f.Source, s.SourceName(f.Source)} }}}
	ds, _ := memPair(t, &session.Config{SourceName: func(n uint64) string { return fmt.Sprint("m", n) }}, &session.Config{Router: router})
	r := ds.Route(event("e"))
	for _, n := range []uint64{0, 7, 7, 8, 7, 1 << 60} {
		must(t, r.Emit(patience(t), session.Message{Source: n}))
		if f := <-got; f.n != n || n != 0 && f.name != fmt.Sprint("m", n) {
			t.Fatalf("%+v, want %d", f, n)
		}
	}
}
