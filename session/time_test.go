// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// bubble returns sessions over a line in memory for a test in time of its own.
func bubble(t *testing.T, dc, ac session.Config) (ds, as *session.Session, d, a *mem.Conn) {
	t.Cleanup(func() { time.Sleep(time.Second) }) // the Keeper goes home
	k := new(session.Keeper)
	dc.Keeper, ac.Keeper = k, k
	d, a = mem.Pipe()
	ds, as = pair(t, d, a, &dc, &ac)
	return ds, as, d, a
}

// A handler that takes hours costs no heartbeat.
func TestHeartbeatBesideHandler(t *testing.T) {
	cfg := session.Config{Heartbeat: time.Second, Router: methods{"sleep": {call: func(c *session.Call) {
		<-time.After(time.Hour)
		c.Reply(session.Message{})
	}}}}
	synctest.Test(t, func(t *testing.T) {
		ds, as, _, _ := bubble(t, cfg, cfg)
		p, q := ds.Route(method("sleep")).Go(t.Context(), session.Message{}), as.Route(method("sleep")).Go(t.Context(), session.Message{})
		<-p.Done()
		<-q.Done()
		if ds.Err() != nil || as.Err() != nil {
			t.Fatal(ds.Err(), as.Err())
		}
	})
}

// A peer that takes nothing for DataTimeout while much waits for it is cut: also if little
// was sent when its line got full (bug: the timer was set for large writes only).
func TestDataTimeout(t *testing.T) {
	cfg := session.Config{Router: methods{"e": {}}, DataTimeout: 10 * time.Second, RouteWindow: 100 << 20}
	synctest.Test(t, func(t *testing.T) {
		ds, _, d, _ := bubble(t, cfg, cfg)
		r := ds.Route(event("e"))
		must(t, r.Emit(t.Context(), session.Message{}))
		d.SetFaults(mem.Faults{Stall: true})
		began := time.Now()
		var err error
		for err == nil {
			err = r.Emit(t.Context(), session.Message{Payload: make([]byte, 1000)})
		}
		wantCode(t, err, status.Overloaded)
		if took := time.Since(began); took < 10*time.Second || took > 20*time.Second {
			t.Fatalf("cut after %v", took)
		}
		d.SetFaults(mem.Faults{})
	})
}

// A peer that is slow, but takes something all the time, is not cut (bug: it had to take
// everything that waited within DataTimeout).
func TestSlowPeerIsNotCut(t *testing.T) {
	cfg := session.Config{Router: methods{"e": {}}, DataTimeout: 10 * time.Second, RouteWindow: 100 << 20, MaxMessage: 20 << 20}
	synctest.Test(t, func(t *testing.T) {
		ds, _, d, _ := bubble(t, cfg, cfg)
		r := ds.Route(event("e"))
		must(t, r.Emit(t.Context(), session.Message{}))
		stop := make(chan struct{})
		go func() {
			for slow := true; ; slow = !slow { // some 256 KiB every 4 s
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Second):
					d.SetFaults(mem.Faults{Stall: slow})
				}
			}
		}()
		for range 30 {
			ok, err := r.TryEmit(session.Message{Payload: make([]byte, 1<<20)})
			must(t, err)
			if ok {
				ds.FlushNow()
			}
			time.Sleep(time.Second)
		}
		close(stop)
		if ds.Err() != nil {
			t.Fatal(ds.Err())
		}
	})
}

// A handler that sleeps is cancelled within 5 ms after its caller has given up, and calls
// beside it wait no longer than that for the reading goroutine.
func TestPromptCancel(t *testing.T) {
	began, ended := make(chan time.Time, 1), make(chan time.Time, 1)
	router := methods{"echo": {call: echo}, "sleep": {call: func(c *session.Call) {
		began <- time.Now()
		select {
		case <-c.Context().Done():
		case <-time.After(10 * time.Second):
		}
		ended <- time.Now()
		c.Fail(c.Context().Err())
	}}}
	synctest.Test(t, func(t *testing.T) {
		ds, _, _, _ := bubble(t, session.Config{}, session.Config{Router: router})
		began, ended = make(chan time.Time, 1), make(chan time.Time, 1)
		p := ds.Route(method("sleep")).Go(t.Context(), session.Message{})
		at := <-began
		_, err := ds.Route(method("echo")).Call(t.Context(), session.Message{}, nil)
		must(t, err)
		if took := time.Since(at); took > 5*time.Millisecond {
			t.Errorf("another call waited %v", took)
		}
		at = time.Now()
		p.Cancel()
		if took := (<-ended).Sub(at); took > 5*time.Millisecond {
			t.Errorf("the handler was cancelled after %v", took)
		}
	})
}
