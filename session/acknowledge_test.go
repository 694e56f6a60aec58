// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// The sender of an item that asks for it learns when the receiver's program has taken it, also
// when it came with others, and not earlier.
func TestAcknowledgedItems(t *testing.T) {
	const n = 50
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		sent := make(chan *session.Stream, 1)
		positions := make(chan []uint64, 1)
		news := make(chan struct{}, 10*n)
		serve := methods{"items": {call: func(c *session.Call) {
			x, err := c.Stream()
			if err != nil {
				c.Fail(err)
				return
			}
			x.OnCredit(func() { news <- struct{}{} })
			var at []uint64
			for i := range n {
				if err := x.Send(c.Context(), session.Message{Payload: []byte{byte(i)}, Acknowledge: i%3 == 0}); err != nil {
					c.Fail(err)
					return
				}
				at = append(at, x.Sent())
			}
			sent <- x
			positions <- at
			<-c.Context().Done()
			c.Fail(c.Context().Err())
		}}}
		ds, _ := pair(t, d, a, nil, &session.Config{Router: serve})
		x, err := ds.Route(method("items")).Open(patience(t), wire.ServerStream, session.Message{})
		must(t, err)
		theirs, at := <-sent, <-positions
		must(t, ds.Ping(patience(t)))
		if got := theirs.Consumed(); got != 0 {
			t.Fatalf("%d were consumed before anything was taken", got)
		}
		for i := range n {
			_, err := x.Recv(patience(t), nil)
			must(t, err)
			if i%3 != 0 {
				continue
			}
			for theirs.Consumed() < at[i] {
				select {
				case <-news:
				case <-patience(t).Done():
					t.Fatalf("item %d: %d of %d are acknowledged", i, theirs.Consumed(), at[i])
				}
			}
			if got := theirs.Consumed(); got != at[i] {
				t.Fatalf("item %d: %d are acknowledged, %d were taken", i, got, at[i])
			}
		}
		x.Cancel()
	})
}

// A topic's route takes calls, and asks anew what it means when it was refused.
func TestCallOfTopic(t *testing.T) {
	declared := make(chan struct{})
	answer := methods{"t": {call: echo}}
	ds, _ := memPair(t, nil, &session.Config{Router: routerFunc(func(s *session.Session, b wire.Bind) (session.Target, error) {
		select {
		case <-declared:
			b.Class = wire.ClassMethod
			return answer.Bind(s, b)
		default:
			return nil, status.Errorf(status.Undeclared, "not yet")
		}
	})})
	r := ds.Route(topic("t"))
	for range 3 {
		_, err := r.Call(patience(t), session.Message{Payload: []byte("x")}, nil)
		wantCode(t, err, status.Undeclared)
	}
	close(declared)
	rep, err := r.Call(patience(t), session.Message{Payload: []byte("x")}, nil)
	must(t, err)
	if string(rep.Payload) != "x" {
		t.Fatalf("%q", rep.Payload)
	}
	_, err = ds.Route(event("t")).Call(patience(t), session.Message{}, nil)
	wantCode(t, err, status.Protocol)
}

type routerFunc func(s *session.Session, b wire.Bind) (session.Target, error)

func (f routerFunc) Bind(s *session.Session, b wire.Bind) (session.Target, error) { return f(s, b) }
