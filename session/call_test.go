// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

func TestCall(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, as := pair(t, d, a, &session.Config{Router: echoing}, &session.Config{Router: echoing})
		for _, s := range []*session.Session{ds, as} {
			r := s.Route(method("echo"))
			for i := range 100 {
				rep, err := r.Call(t.Context(), session.Message{Codec: 1, Payload: []byte("hello")}, nil)
				must(t, err)
				if string(rep.Payload) != "hello" || rep.Codec != 1 {
					t.Fatalf("call %d: got %q with codec %d", i, rep.Payload, rep.Codec)
				}
			}
		}
		_, err := ds.Route(method("nothing")).Call(t.Context(), session.Message{}, nil)
		wantCode(t, err, status.UnknownMethod)
	})
}

// Two symmetric peers with 64 callers each way at every size never stop.
func TestSymmetricPeersNeverStop(t *testing.T) {
	for _, size := range []int{64, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 100 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			eachConn(t, func(t *testing.T, d, a transport.Conn) {
				ds, as := pair(t, d, a, &session.Config{Router: echoing}, &session.Config{Router: echoing})
				var wg sync.WaitGroup
				for _, s := range []*session.Session{ds, as} {
					for range 64 {
						wg.Go(func() { callMany(t, s, size, max(1, min(5, (64<<10)/size))) })
					}
				}
				wg.Wait()
			})
		})
	}
}

// callMany calls echo one after the other.
func callMany(t *testing.T, s *session.Session, size, calls int) {
	r, ctx := s.Route(method("echo")), patience(t)
	payload := make([]byte, size)
	var buf []byte
	for range calls {
		rep, err := r.Call(ctx, session.Message{Payload: payload}, buf[:0])
		if err != nil || len(rep.Payload) != size {
			t.Errorf("size %d: %d bytes, %v", size, len(rep.Payload), err)
			return
		}
		buf = rep.Payload
	}
}

// Long requests and answers of many callers: the receiver keeps only so much of unfinished
// messages and ends the session of who sends more (bug: nobody counted).
func TestManyLongMessages(t *testing.T) {
	for _, name := range []string{"mem", "bare"} {
		d, a := conns[name](t)
		cfg := &session.Config{Router: echoing, MaxMessage: 200 << 10}
		ds, as := pair(t, d, a, cfg, cfg)
		var wg sync.WaitGroup
		for _, s := range []*session.Session{ds, as} {
			for range 40 {
				wg.Go(func() { callMany(t, s, 200<<10, 1) })
			}
		}
		wg.Wait()
	}
}

// Two frequent lone callers who send a long message at the same time: who has the reading
// role must not wait for room in the outbox (bug: both did, and nobody read).
func TestLongMessagesOfLoneCallers(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		cfg := &session.Config{Router: echoing, MaxMessage: 8 << 20}
		ds, as := pair(t, d, a, cfg, cfg)
		callMany(t, ds, 10, 50) // makes the reader rest
		callMany(t, as, 10, 50)
		var wg sync.WaitGroup
		wg.Go(func() { callMany(t, ds, 2<<20, 1) })
		wg.Go(func() { callMany(t, as, 2<<20, 1) })
		wg.Wait()
	})
}

// A handler that sleeps is cancelled at once, delays no other call, and loses no heartbeat.
func TestSlowHandler(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		ds, _ := pair(t, d, a, nil, &session.Config{Router: blocking(began, ended)})
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := ds.Route(method("block")).Call(ctx, session.Message{}, nil)
			failed <- err
		}()
		<-began
		callMany(t, ds, 1, 50)
		must(t, ds.Ping(patience(t)))
		at := time.Now()
		cancel()
		err := <-failed
		wantCode(t, err, status.Cancelled)
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		<-ended
		t.Logf("the handler was cancelled after %v", time.Since(at))
	})
}

// nest answers a number n by asking the caller for n-1, down to 0.
func nest(c *session.Call) {
	depth := c.Payload[0]
	if depth == 0 {
		c.Reply(session.Message{Payload: []byte{0}})
		return
	}
	rep, err := c.Session().Route(method("nest")).Call(c.Context(), session.Message{Payload: []byte{depth - 1}}, nil)
	if err != nil {
		c.Fail(err)
		return
	}
	c.Reply(session.Message{Payload: []byte{rep.Payload[0] + 1}})
}

// A handler may call its caller, which calls back, on one connection: A→B→A→B …
func TestNestedCalls(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		router := methods{"nest": {call: nest}}
		ds, as := pair(t, d, a, &session.Config{Router: router}, &session.Config{Router: router})
		for _, s := range []*session.Session{ds, as} {
			rep, err := s.Route(method("nest")).Call(patience(t), session.Message{Payload: []byte{200}}, nil)
			must(t, err)
			if rep.Payload[0] != 200 {
				t.Fatalf("depth %d", rep.Payload[0])
			}
		}
	})
}

// A handler may call itself, by way of a session between two ends in one process, and with
// a context that does not know its reading goroutine.
func TestHandlerCallsItself(t *testing.T) {
	var back *session.Session
	router := methods{"self": {call: func(c *session.Call) {
		if c.Payload[0] == 0 {
			c.Reply(session.Message{})
			return
		}
		_, err := back.Route(method("self")).Call(context.Background(), session.Message{Payload: []byte{c.Payload[0] - 1}}, nil)
		if err != nil {
			c.Fail(err)
			return
		}
		c.Reply(session.Message{})
	}}}
	back, _ = memPair(t, nil, &session.Config{Router: router})
	_, err := back.Route(method("self")).Call(patience(t), session.Message{Payload: []byte{5}}, nil)
	must(t, err)
}

// More handlers than the gate lets run wait; more than its queue holds are refused.
func TestOverloaded(t *testing.T) {
	began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	gate := session.NewGate(2, 3)
	ds, _ := memPair(t, nil, &session.Config{Router: blocking(began, ended), Gate: gate})
	ctx, cancel := context.WithCancel(patience(t))
	var calls []*session.Pending
	for range 2 {
		calls = append(calls, ds.Route(method("block")).Go(ctx, session.Message{}))
		<-began // and the next request finds it moved off the reading goroutine
		must(t, ds.Ping(patience(t)))
	}
	for range 3 {
		calls = append(calls, ds.Route(method("echo")).Go(ctx, session.Message{}))
	}
	_, err := ds.Route(method("echo")).Call(patience(t), session.Message{}, nil)
	wantCode(t, err, status.Overloaded)
	if !status.Retryable(err) || gate.Running() != 2 || gate.Queued() != 3 {
		t.Fatalf("%v; %d run, %d wait", err, gate.Running(), gate.Queued())
	}
	calls[0].Cancel()
	calls[1].Cancel()
	for _, p := range calls[2:] {
		_, err := p.Wait(patience(t))
		must(t, err)
	}
	cancel()
}

// Requests wait for the handlers of another session, whose end lets them go on. One that
// has nothing left to serve does not use up the turn of the others (bug: a lost wake-up).
func TestGateIsShared(t *testing.T) {
	began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	cfg := &session.Config{Router: blocking(began, ended), Gate: session.NewGate(1, 100)}
	busy, _ := memPair(t, nil, cfg)
	gone, goneToo := memPair(t, nil, cfg)
	waits, _ := memPair(t, nil, cfg)
	p := busy.Route(method("block")).Go(patience(t), session.Message{})
	<-began
	must(t, busy.Ping(patience(t)))
	gone.Route(method("echo")).Go(patience(t), session.Message{})
	must(t, gone.Ping(patience(t)))
	goneToo.Close()
	late := waits.Route(method("echo")).Go(patience(t), session.Message{})
	must(t, waits.Ping(patience(t)))
	p.Cancel()
	_, err := late.Wait(patience(t))
	must(t, err)
}

// The deadline travels, and ends the handler's context even if the caller is not there
// any more to say so.
func TestDeadline(t *testing.T) {
	got := make(chan time.Duration, 1)
	router := methods{"when": {call: func(c *session.Call) {
		d, _ := c.Context().Deadline()
		got <- time.Until(d)
		<-c.Context().Done()
		c.Fail(c.Context().Err())
	}}}
	ds, _ := memPair(t, nil, &session.Config{Router: router})
	p := ds.Route(method("when")).Go(context.Background(), session.Message{Deadline: 20000})
	if left := <-got; left <= 0 || left > 20*time.Millisecond {
		t.Fatalf("%v are left of 20 ms", left)
	}
	_, err := p.Wait(patience(t))
	wantCode(t, err, status.DeadlineExceeded)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	cancel()
	_, err = ds.Route(method("when")).Call(ctx, session.Message{}, nil)
	wantCode(t, err, status.Cancelled) // bug: any context with a deadline was taken for one whose time was up
}

// Cancel reaches a handler that waits in the queue as well as one that runs.
func TestCancelQueued(t *testing.T) {
	began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	ds, _ := memPair(t, nil, &session.Config{Router: blocking(began, ended), Gate: session.NewGate(1, 10)})
	first := ds.Route(method("block")).Go(t.Context(), session.Message{})
	<-began
	must(t, ds.Ping(patience(t)))
	ctx, cancel := context.WithCancel(patience(t))
	second := make(chan error)
	go func() {
		_, err := ds.Route(method("block")).Call(ctx, session.Message{}, nil)
		second <- err
	}()
	for ds.Stats().Pending < 2 {
		runtime.Gosched()
	}
	cancel()
	wantCode(t, <-second, status.Cancelled)
	first.Cancel()
	for ds.Stats().Pending > 0 { // both got their one final frame
		must(t, ds.Ping(patience(t)))
	}
}

// Too long a message is refused where it is sent, and where it arrives all the same; the
// session goes on.
func TestTooLarge(t *testing.T) {
	router := methods{"echo": {call: echo}, "long": {call: func(c *session.Call) { c.Reply(session.Message{Payload: make([]byte, 3000)}) }}}
	ds, _ := memPair(t, &session.Config{MaxMessage: 2000}, &session.Config{Router: router, MaxMessage: 1000})
	r := ds.Route(method("echo"))
	_, err := r.Call(t.Context(), session.Message{Payload: make([]byte, 1001)}, nil)
	wantCode(t, err, status.TooLarge)
	_, err = ds.Route(method("long")).Call(patience(t), session.Message{}, nil)
	wantCode(t, err, status.TooLarge)
	wantCode(t, ds.Route(topic("x")).Emit(t.Context(), session.Message{Payload: make([]byte, 1001)}), status.TooLarge)
	callMany(t, ds, 1000, 2)
}

// A panic, a handler that does not answer and one that ends its goroutine fail the call
// and nothing else.
func TestBrokenHandlers(t *testing.T) {
	hold := make(chan struct{})
	router := methods{
		"echo":   {call: echo},
		"panic":  {call: func(*session.Call) { panic("on purpose") }},
		"silent": {call: func(*session.Call) {}},
		"exit":   {call: func(*session.Call) { <-hold; runtime.Goexit() }},
		"twice": {call: func(c *session.Call) {
			c.Reply(session.Message{})
			if err := c.Reply(session.Message{}); !errors.Is(err, status.FailedPrecondition) {
				panic(err)
			}
			c.Fail(status.Internal)
		}},
	}
	ds, _ := memPair(t, nil, &session.Config{Router: router})
	for _, name := range []string{"panic", "silent"} {
		_, err := ds.Route(method(name)).Call(patience(t), session.Message{}, nil)
		wantCode(t, err, status.Internal)
	}
	p := ds.Route(method("exit")).Go(t.Context(), session.Message{})
	callMany(t, ds, 1, 1) // it has lost the reading goroutine now
	close(hold)
	_, err := p.Wait(patience(t))
	wantCode(t, err, status.Internal)
	_, err = ds.Route(method("twice")).Call(patience(t), session.Message{}, nil)
	must(t, err)
	callMany(t, ds, 1, 5)
}

// A handler that ends the goroutine that reads ends the session: nobody hangs.
func TestHandlerEndsTheReader(t *testing.T) {
	ds, as := memPair(t, nil, &session.Config{Router: methods{"exit": {call: func(*session.Call) { runtime.Goexit() }}}})
	_, err := ds.Route(method("exit")).Call(patience(t), session.Message{}, nil)
	if c := status.CodeOf(err); c != status.Internal && c != status.PeerGone {
		t.Fatal(err)
	}
	as.Wait()
}

// A slot is used thousands of times, and the id of a call is never 0 (bug: every 8192nd
// was, and CREDIT for its stream went to a route).
func TestManyGenerations(t *testing.T) {
	ds, _ := memPair(t, nil, &session.Config{Router: streaming, StreamWindow: 100})
	callMany2 := func(n int) {
		for range n {
			ds.Route(method("none")).Call(t.Context(), session.Message{}, nil)
		}
	}
	callMany2(8190)
	for range 3 {
		wantItems(t, ds, 5)
	}
}

// The answer of a call is its own, whatever is under way besides.
func TestAnswersAreNotMixed(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		cfg := &session.Config{Router: echoing}
		ds, as := pair(t, d, a, cfg, cfg)
		var wg sync.WaitGroup
		for i := range 8 {
			for _, s := range []*session.Session{ds, as} {
				wg.Go(func() {
					r := s.Route(method("echo"))
					for n := range 20 {
						want := bytes.Repeat([]byte{byte(i), byte(n)}, 1<<(n%18))
						rep, err := r.Call(patience(t), session.Message{Payload: want}, nil)
						if err != nil || !bytes.Equal(rep.Payload, want) {
							t.Errorf("caller %d, call %d: %d bytes, %v", i, n, len(rep.Payload), err)
						}
					}
				})
			}
		}
		wg.Wait()
	})
}
