// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// What the peer sends to a frequent lone caller, who reads his own answers, arrives
// promptly: events, calls, pings, items.
func TestLoneCallerHearsTheRest(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		got := make(chan struct{}, 1)
		router := methods{"echo": {call: echo}, "count": streaming["count"],
			"e": {receive: func(*session.Session, *session.Frame) { got <- struct{}{} }}}
		ds, as := pair(t, d, a, &session.Config{Router: router}, &session.Config{Router: router})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			r := ds.Route(method("echo"))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := r.Call(patience(t), session.Message{}, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
		e, began := as.Route(event("e")), time.Now()
		for range 30 {
			must(t, e.Emit(patience(t), session.Message{}))
			<-got
			must(t, as.Ping(patience(t)))
			callMany(t, as, 10, 1)
		}
		wantItems(t, as, 100)
		wantItems(t, ds, 100)
		close(stop)
		wg.Wait()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("30 rounds beside a lone caller took %v", took)
		}
	})
}

// The role is left to callers and taken back whatever begins next.
func TestRoleAfterLoneCalls(t *testing.T) {
	d, a := unix(t)
	cfg := &session.Config{Router: methods{"echo": {call: echo}, "count": streaming["count"], "e": {}}}
	ds, as := pair(t, d, a, cfg, cfg)
	for range 5 {
		callMany(t, ds, 1, 30)
		must(t, ds.Ping(patience(t)))
		callMany(t, ds, 1, 30)
		p := ds.Route(method("echo")).Go(patience(t), session.Message{})
		_, err := p.Wait(patience(t))
		must(t, err)
		callMany(t, ds, 1, 30)
		must(t, ds.Route(event("e")).Emit(patience(t), session.Message{}))
		callMany(t, ds, 1, 30)
		wantItems(t, ds, 10)
		callMany(t, ds, 1, 30)
		callMany(t, as, 1, 30)
		x, err := ds.Route(method("count")).Open(patience(t), wire.ServerStream, session.Message{})
		must(t, err)
		callMany(t, ds, 1, 30)
		x.Cancel()
	}
}

// Callers come and go on both sides: alone, two, many.
func TestRoleUnderChange(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		cfg := &session.Config{Router: echoing}
		ds, as := pair(t, d, a, cfg, cfg)
		for round := range 12 {
			var wg sync.WaitGroup
			for range round % 3 {
				wg.Go(func() { callMany(t, as, 100, 10) })
			}
			for range 1 + round%4 {
				wg.Go(func() { callMany(t, ds, 100, 10) })
			}
			wg.Wait()
		}
	})
}
