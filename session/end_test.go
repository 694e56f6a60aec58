// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

func TestPeerGone(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		ds, as := pair(t, d, a, nil, &session.Config{Router: blocking(began, ended)})
		p := ds.Route(method("block")).Go(t.Context(), session.Message{})
		<-began
		as.Close()
		_, err := p.Wait(patience(t))
		wantCode(t, err, status.PeerGone)
		<-ended
		_, err = ds.Route(method("block")).Call(t.Context(), session.Message{}, nil)
		wantCode(t, err, status.PeerGone)
		if !status.Retryable(err) {
			t.Fatalf("call after the end: %v", err)
		}
		if err := ds.Err(); !errors.Is(err, status.PeerGone) || errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		wantCode(t, as.Err(), status.Closed)
		wantCode(t, ds.Ping(patience(t)), status.PeerGone)
		wantCode(t, ds.Flush(patience(t)), status.PeerGone)
		wantCode(t, ds.Route(event("e")).Emit(patience(t), session.Message{}), status.PeerGone)
		_, err = ds.Route(event("e")).TryEmit(session.Message{})
		wantCode(t, err, status.PeerGone)
	})
}

// The reason of CloseWith reaches the peer on every Conn, also if much waits before it and
// the peer is sending at that moment (bugs: it was dropped where sending could not be
// tried, and lost where the peer's own sending failed first).
func TestReasonReachesThePeer(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		router := methods{"e": {}}
		ds, as := pair(t, d, a, &session.Config{Router: router}, &session.Config{Router: router})
		var wg sync.WaitGroup
		for _, s := range []*session.Session{ds, as} {
			r := s.Route(event("e"))
			must(t, r.Emit(patience(t), session.Message{}))
			wg.Go(func() {
				for r.Emit(patience(t), session.Message{Payload: make([]byte, 5000)}) == nil {
				}
			})
		}
		must(t, ds.Ping(patience(t)))
		as.CloseWith(status.Errorf(status.Evicted, "go"))
		<-ds.Done()
		wantCode(t, ds.Err(), status.Evicted)
		as.Wait()
		wg.Wait()
	})
}

// What was sent before Close still leaves.
func TestCloseAfterEmit(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		var n atomic.Int64
		ds, as := pair(t, d, a, nil, &session.Config{Router: methods{"e": {receive: func(*session.Session, *session.Frame) { n.Add(1) }}}})
		r := ds.Route(event("e"))
		for range 100 {
			must(t, r.Emit(patience(t), session.Message{}))
		}
		ds.Close()
		as.Wait()
		if n.Load() != 100 {
			t.Fatalf("%d of 100 arrived", n.Load())
		}
	})
}

// A flusher that was given the role while it was about to go stays, also at the end (bug: what
// was sent just before Close was lost, once in a thousand times).
func TestWokenFlusherStays(t *testing.T) {
	if session.DismissWoken(false) || session.DismissWoken(true) {
		t.Error("a woken flusher was let go")
	}
}

// Close within a handler, on either side, from any goroutine, more than once; OnEnd is told
// once.
func TestCloseInHandler(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		router := methods{"close": {call: func(c *session.Call) {
			c.Session().Close()
			c.Session().Close()
			c.Reply(session.Message{})
		}}}
		ds, as := pair(t, d, a, nil, &session.Config{Router: router})
		var told atomic.Int64
		as.OnEnd(func(error) { told.Add(1) })
		_, err := ds.Route(method("close")).Call(patience(t), session.Message{}, nil)
		wantCode(t, err, status.PeerGone)
		as.Wait()
		as.OnEnd(func(error) { told.Add(1) })
		if told.Load() != 2 {
			t.Fatal(told.Load())
		}
	})
}

// A handler that has just begun when its session ends is cancelled like any other.
func TestCloseBesideHandler(t *testing.T) {
	for range 50 {
		began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		ds, as := memPair(t, nil, &session.Config{Router: blocking(began, ended)})
		ds.Route(method("block")).Go(t.Context(), session.Message{})
		<-began
		as.Close()
		as.Wait()
		<-ended
	}
}

// Drain lets what is under way end, in both directions, loses no answer, and refuses what
// is new with a status that says that a retry is safe.
func TestDrain(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		began, proceed := make(chan struct{}, 4), make(chan struct{})
		router := methods{"echo": {call: echo}, "wait": {call: func(c *session.Call) {
			began <- struct{}{}
			<-proceed
			c.Reply(session.Message{Payload: make([]byte, 300<<10)})
		}}}
		cfg := &session.Config{Router: router}
		ds, as := pair(t, d, a, cfg, cfg)
		theirs := ds.Route(method("wait")).Go(t.Context(), session.Message{})
		ours := as.Route(method("wait")).Go(t.Context(), session.Message{})
		<-began
		<-began
		done := make(chan error)
		go func() {
			_, err := as.Drain(patience(t))
			done <- err
		}()
		var err error
		for err == nil { // until the GOAWAY is there
			_, err = ds.Route(method("echo")).Call(patience(t), session.Message{}, nil)
		}
		wantCode(t, err, status.Unavailable)
		_, err = as.Route(method("echo")).Call(patience(t), session.Message{}, nil)
		wantCode(t, err, status.Unavailable)
		close(proceed)
		for _, p := range []*session.Pending{theirs, ours} {
			rep, err := p.Wait(patience(t))
			must(t, err)
			if len(rep.Payload) != 300<<10 {
				t.Fatal(len(rep.Payload))
			}
		}
		must(t, <-done)
		as.Wait()
	})
}

// No answer is lost by a Drain that begins while handlers run on the reading goroutine.
func TestDrainLosesNoAnswer(t *testing.T) {
	for range 30 {
		d, a := unix(t)
		var served atomic.Int64
		router := methods{"echo": {call: func(c *session.Call) { served.Add(1); echo(c) }}}
		ds, as := pair(t, d, a, nil, &session.Config{Router: router})
		var wg sync.WaitGroup
		var answered atomic.Int64
		for range 4 {
			wg.Go(func() {
				for {
					if _, err := ds.Route(method("echo")).Call(patience(t), session.Message{}, nil); err != nil {
						return
					}
					answered.Add(1)
				}
			})
		}
		for served.Load() < 20 {
			runtime.Gosched()
		}
		_, err := as.Drain(patience(t))
		must(t, err)
		wg.Wait()
		if a, s := answered.Load(), served.Load(); a != s {
			t.Fatalf("%d calls were served, %d answered", s, a)
		}
	}
}

// Drain with streams that do not end gives up with its context and says how many it cut.
func TestDrainCuts(t *testing.T) {
	began, ended := make(chan struct{}, 4), make(chan struct{}, 4)
	ds, as := memPair(t, nil, &session.Config{Router: blocking(began, ended)})
	x, err := ds.Route(method("block")).Open(t.Context(), wire.Duplex, session.Message{})
	must(t, err)
	ds.Route(method("block")).Go(t.Context(), session.Message{})
	<-began
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	cut, err := as.Drain(ctx)
	wantCode(t, err, status.DeadlineExceeded)
	if cut != 2 {
		t.Fatalf("%d were cut", cut)
	}
	_, err = x.Recv(patience(t), nil)
	wantCode(t, err, status.PeerGone)
	as.Wait()
}
