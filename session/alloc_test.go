// SPDX-License-Identifier: Apache-2.0

//go:build !race

package session_test

import (
	"context"
	"io"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/wire"
)

// allocs fails the test if f allocates more often than that per run, in the whole process:
// both ends of the session and the transport. Rare allocations (a pool that was emptied)
// are rounded away.
func allocs(t *testing.T, name string, limit float64, f func()) {
	t.Helper()
	for range 200 {
		f()
	}
	if n := testing.AllocsPerRun(2000, f); n > limit {
		t.Errorf("%s: %v allocations, allowed are %v", name, n, limit)
	}
}

func TestAllocations(t *testing.T) {
	d, a := unix(t)
	router := methods{"echo": {call: echo}, "e": {}, "echoes": {call: func(c *session.Call) {
		x, err := c.Stream()
		var buf []byte
		for err == nil {
			var item session.Item
			if item, err = x.Recv(c.Background(), buf[:0]); err == nil {
				buf = item.Payload
				err = x.Send(c.Background(), session.Message{Payload: buf})
			}
		}
		finish(c, err)
	}}}
	ds, as := pair(t, d, a, &session.Config{Router: router}, &session.Config{Router: router})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	payload := make([]byte, 64)
	var buf []byte
	for name, s := range map[string]*session.Session{"dialled": ds, "accepted": as} {
		r := s.Route(method("echo"))
		for what, ctx := range map[string]context.Context{"background": context.Background(), "cancellable": ctx} {
			allocs(t, name+" call, "+what, 0, func() {
				rep, err := r.Call(ctx, session.Message{Payload: payload}, buf[:0])
				must(t, err)
				buf = rep.Payload
			})
		}
		e := s.Route(event("e"))
		allocs(t, name+" event", 0, func() { must(t, e.Emit(ctx, session.Message{Payload: payload})) })
	}
	x, err := ds.Route(method("echoes")).Open(ctx, wire.Duplex, session.Message{})
	must(t, err)
	allocs(t, "item there and back", 4, func() {
		must(t, x.Send(ctx, session.Message{Payload: payload}))
		item, err := x.Recv(ctx, buf[:0])
		must(t, err)
		buf = item.Payload
	})
	r := ds.Route(method("echo")) // not alone any more: the stream is open
	allocs(t, "call beside a stream", 0, func() {
		rep, err := r.Call(ctx, session.Message{Payload: payload}, buf[:0])
		must(t, err)
		buf = rep.Payload
	})
	must(t, x.CloseSend())
	if _, err := x.Recv(patience(t), nil); err != io.EOF {
		t.Fatal(err)
	}
}
