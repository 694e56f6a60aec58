// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// A cancel and the answer meet on the way, thousands of times: each call has its own answer or
// none, and the slots are all free again.
func TestCancelMeetsAnswer(t *testing.T) {
	const callers, each = 8, 300
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, as := pair(t, d, a, nil, &session.Config{Router: echoing})
		var wg sync.WaitGroup
		for k := range callers {
			wg.Go(func() {
				r := ds.Route(method("echo"))
				for i := range each {
					ctx, cancel := context.WithCancel(t.Context())
					want := fmt.Sprint(k, i)
					p := r.Go(ctx, session.Message{Payload: []byte(want)})
					if i%3 == 0 {
						p.Cancel()
					} else if i%3 == 1 {
						cancel()
					}
					got, err := p.Wait(patience(t))
					cancel()
					if c := status.CodeOf(err); err == nil && string(got.Payload) != want || err != nil && c != status.Cancelled {
						t.Errorf("%q for %q, %v", got.Payload, want, err)
					}
				}
			})
		}
		wg.Wait()
		ctx := patience(t)
		for ds.Stats().Pending+as.Inbound() > 0 && ctx.Err() == nil {
			must(t, ds.Ping(ctx)) // the last answers are on their way
		}
		if ds.Err() != nil || as.Err() != nil || ds.Stats().Pending != 0 || as.Inbound() != 0 {
			t.Error(ds.Err(), as.Err(), ds.Stats(), as.Inbound())
		}
	})
}

// An answer that comes again, or long after its call, is no other call's.
func TestAnswersAgain(t *testing.T) {
	s, r := rawPeer(t, generous, small())
	route := s.Route(method("x"))
	var old []uint32
	for i := range 50 {
		p := route.Go(t.Context(), session.Message{})
		h, _ := r.want(wire.KindCall)
		for _, n := range old[max(0, len(old)-10):] {
			if n == h.ID {
				t.Fatalf("id %d again after %d calls", n, i)
			}
			r.send(wire.Header{Kind: wire.KindReply, Flags: wire.FlagEnd, ID: n}, []byte("late"))
			r.send(wire.Header{Kind: wire.KindFail, Flags: wire.FlagEnd, ID: n}, wire.AppendStatus(nil, wire.Status{Code: uint16(status.Failed)}))
		}
		want := fmt.Sprint(i)
		r.send(wire.Header{Kind: wire.KindReply, Flags: wire.FlagEnd, ID: h.ID}, []byte(want))
		r.send(wire.Header{Kind: wire.KindReply, Flags: wire.FlagEnd, ID: h.ID}, []byte("twice"))
		got, err := p.Wait(patience(t))
		must(t, err)
		if string(got.Payload) != want {
			t.Fatalf("%q for %q", got.Payload, want)
		}
		old = append(old, h.ID)
	}
	r.alive()
	if s.Err() != nil || s.Stats().Dropped == 0 {
		t.Fatal(s.Err(), s.Stats())
	}
}

// A handler that answers after its caller's time was up has answered nobody: the caller has its
// error already, and others do not notice.
func TestAnswerAfterDeadline(t *testing.T) {
	gone, late := make(chan struct{}), make(chan error, 10)
	router := methods{"echo": {call: echo}, "late": {call: func(c *session.Call) {
		<-c.Context().Done()
		<-gone
		late <- c.Reply(session.Message{Payload: []byte("late")})
	}}}
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, _ := pair(t, d, a, nil, &session.Config{Router: router})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, err := ds.Route(method("late")).Call(ctx, session.Message{}, nil)
			cancel()
			wantCode(t, err, status.DeadlineExceeded)
			gone <- struct{}{}
			<-late
			callMany(t, ds, 1, 5)
		}
	})
}

// A handler that goes on after its session has ended gets errors from whatever it tries, and ends.
func TestHandlerAfterClose(t *testing.T) {
	began, tried := make(chan *session.Session, 1), make(chan []error, 1)
	router := methods{"stay": {call: func(c *session.Call) {
		s := c.Session()
		began <- s
		<-s.Done()
		ctx := context.Background()
		_, err := s.Route(method("echo")).Call(ctx, session.Message{}, nil)
		c.Reply(session.Message{Payload: []byte("too late")})
		tried <- []error{err, s.Route(event("e")).Emit(ctx, session.Message{}), s.Ping(ctx), s.Flush(ctx)}
	}}}
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, as := pair(t, d, a, &session.Config{Router: echoing}, &session.Config{Router: router})
		p := ds.Route(method("stay")).Go(t.Context(), session.Message{})
		<-began
		ds.Close()
		for i, err := range <-tried {
			if c := status.CodeOf(err); c != status.PeerGone && c != status.Closed {
				t.Errorf("attempt %d: %v", i, err)
			}
		}
		if _, err := p.Wait(patience(t)); status.CodeOf(err) != status.Closed {
			t.Error(err)
		}
		as.Wait()
	})
}
