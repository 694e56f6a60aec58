// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// wantLimit checks that an error says which time limit has passed.
func wantLimit(t *testing.T, err error, code status.Code, limit session.TimeLimit) {
	t.Helper()
	wantCode(t, err, code)
	if te, ok := errors.AsType[*session.TimeoutError](err); !ok || te.Limit != limit || !te.Timeout() || te.After <= 0 {
		t.Fatalf("%v is no %s limit", err, limit)
	}
}

// A peer that is silent is given up within two heartbeats, by whichever side has them; one
// that only has nothing to say is not.
func TestHeartbeat(t *testing.T) {
	on, off := session.Config{Heartbeat: time.Second}, session.Config{}
	for name, sides := range map[string][2]session.Config{"dialling": {on, off}, "accepting": {off, on}, "both": {on, on}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ds, as, d, a := bubble(t, sides[0], sides[1])
				time.Sleep(time.Hour)
				if ds.Err() != nil || as.Err() != nil {
					t.Fatal(ds.Err(), as.Err())
				}
				stall(d, true)
				stall(a, true)
				began := time.Now()
				for i, s := range []*session.Session{ds, as} {
					if sides[i].Heartbeat == 0 {
						continue
					}
					<-s.Done()
					wantLimit(t, s.Err(), status.PeerGone, session.HeartbeatLimit)
					if took := time.Since(began); took < 1750*time.Millisecond || took > 2100*time.Millisecond {
						t.Errorf("given up after %v", took)
					}
				}
				stall(d, false)
				stall(a, false)
			})
		})
	}
}

// Two sides that both have heartbeats send no more of them than one.
func TestHeartbeatsOnce(t *testing.T) {
	cfg := session.Config{Heartbeat: time.Second}
	synctest.Test(t, func(t *testing.T) {
		ds, as, d, a := bubble(t, cfg, cfg)
		d.SetFaults(mem.Faults{Delay: 50 * time.Millisecond})
		a.SetFaults(mem.Faults{Delay: 50 * time.Millisecond})
		time.Sleep(time.Hour)
		got, want := ds.Stats(), as.Stats()
		if got.Sent > 3600*4/3+2 || want.Sent > 3600*4/3+2 || got.Sent < 3600/2 {
			t.Errorf("%d and %d heartbeats and answers in an hour of seconds", got.Sent, want.Sent)
		}
		t.Logf("%d and %d frames", got.Sent, want.Sent)
		d.SetFaults(mem.Faults{})
		a.SetFaults(mem.Faults{})
	})
}

// Timeout and grace say how long silence may last after the ping.
func TestHeartbeatGrace(t *testing.T) {
	for _, c := range []struct{ timeout, grace, total time.Duration }{
		{0, 0, 8 * time.Second},
		{2 * time.Second, 0, 6 * time.Second},
		{2 * time.Second, 30 * time.Second, 36 * time.Second},
		{time.Second / 2, 0, 4*time.Second + time.Second/2},
	} {
		cfg := session.Config{Heartbeat: 4 * time.Second, HeartbeatTimeout: c.timeout, HeartbeatGrace: c.grace}
		synctest.Test(t, func(t *testing.T) {
			ds, _, _, a := bubble(t, cfg, session.Config{})
			stall(a, true)
			began := time.Now()
			<-ds.Done()
			wantLimit(t, ds.Err(), status.PeerGone, session.HeartbeatLimit)
			if took := time.Since(began); took < c.total-time.Second || took > c.total+time.Second {
				t.Errorf("%+v: given up after %v", c, took)
			}
			stall(a, false)
		})
	}
}

// Silence that is shorter than that is none, however often.
func TestShortSilence(t *testing.T) {
	cfg := session.Config{Heartbeat: time.Second}
	synctest.Test(t, func(t *testing.T) {
		ds, as, _, a := bubble(t, cfg, cfg)
		for range 20 {
			stall(a, true)
			time.Sleep(1600 * time.Millisecond)
			stall(a, false)
			time.Sleep(100 * time.Millisecond)
		}
		if ds.Err() != nil || as.Err() != nil {
			t.Fatal(ds.Err(), as.Err())
		}
	})
}

// A process that was stopped itself, even in the middle of a wait for an answer, asks again
// before it judges, and finds a dead peer one timeout later.
func TestHeartbeatAfterOwnStop(t *testing.T) {
	for name, alive := range map[string]bool{"peer alive": true, "peer dead": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := new(session.Keeper)
				cfg := session.Config{Heartbeat: time.Second, Keeper: k}
				t.Cleanup(func() { time.Sleep(time.Second) })
				d, a := mem.Pipe()
				ds, _ := pair(t, d, a, &cfg, &session.Config{Keeper: new(session.Keeper)})
				stall(a, true)
				time.Sleep(1700 * time.Millisecond) // one look is left
				k.Freeze()
				time.Sleep(10 * time.Minute)
				k.Thaw()
				time.Sleep(700 * time.Millisecond)
				if ds.Err() != nil {
					t.Fatalf("judged by what was not seen: %v", ds.Err())
				}
				stall(a, !alive)
				time.Sleep(400 * time.Millisecond)
				if (ds.Err() == nil) != alive {
					t.Fatal(ds.Err())
				}
				stall(a, false)
			})
		})
	}
}

// Chores of one period share their moments, however many they are, and none is late.
func TestOneTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moments, looks := session.Errands(200, 4*time.Second, 7*time.Millisecond, 20*time.Minute)
		if moments > 32*302 || looks < 200*298 || looks > 200*302 {
			t.Errorf("%d looks at %d moments", looks, moments)
		}
		t.Logf("%d looks at %d moments", looks, moments)
	})
}

// A session that has ended leaves nothing on the agenda.
func TestAgendaIsTidied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(session.Keeper)
		t.Cleanup(func() { time.Sleep(time.Second) })
		cfg := session.Config{Heartbeat: time.Second, IdleTimeout: time.Hour, Keeper: k}
		d, a := mem.Pipe()
		ds, as := pair(t, d, a, &cfg, &cfg)
		if k.Due() != 4 {
			t.Errorf("%d chores", k.Due())
		}
		ds.Close()
		ds.Wait()
		as.Wait()
		if k.Due() != 0 {
			t.Errorf("%d chores are left", k.Due())
		}
	})
}

// A session that nobody uses ends, heartbeats or not, and both sides know why. Calls that take
// long, and any message, are use.
func TestIdleTimeout(t *testing.T) {
	idle := session.Config{IdleTimeout: time.Minute, Heartbeat: time.Second, Router: methods{"echo": {call: echo}, "sleep": {call: func(c *session.Call) {
		<-time.After(time.Hour)
		c.Reply(session.Message{})
	}}}}
	beats := session.Config{Heartbeat: time.Second}
	synctest.Test(t, func(t *testing.T) {
		ds, as, _, _ := bubble(t, beats, idle)
		_, err := ds.Route(method("sleep")).Call(t.Context(), session.Message{}, nil)
		must(t, err)
		for range 100 {
			time.Sleep(55 * time.Second)
			_, err := ds.Route(method("echo")).Call(t.Context(), session.Message{}, nil)
			must(t, err)
		}
		began := time.Now()
		<-as.Done()
		<-ds.Done()
		if took := time.Since(began); took < time.Minute || took > 76*time.Second {
			t.Errorf("ended after %v", took)
		}
		wantLimit(t, as.Err(), status.Unavailable, session.IdleLimit)
		wantLimit(t, ds.Err(), status.Unavailable, session.IdleLimit)
		if se, _ := errors.AsType[*status.Error](ds.Err()); !se.Remote {
			t.Error("the other side has said so")
		}
	})
}
