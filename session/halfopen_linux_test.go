// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/cable"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// onCable returns the sessions of two machines, and the socket of the accepting one.
func onCable(t *testing.T, c *cable.Cable, dc, ac *session.Config) (ds, as *session.Session, accepted *net.TCPConn) {
	t.Helper()
	var l net.Listener
	var nd net.Conn
	var err error
	c.A.Do(func() { l, err = net.Listen("tcp", netip.AddrPortFrom(c.A.Address, 0).String()) })
	must(t, err)
	defer l.Close()
	c.B.Do(func() { nd, err = net.Dial("tcp", l.Addr().String()) })
	must(t, err)
	na, err := l.Accept()
	must(t, err)
	d, err := socket.Adopt(nd, "")
	must(t, err)
	a, err := socket.Adopt(na, "")
	must(t, err)
	ds, as = pair(t, d, a, dc, ac)
	return ds, as, na.(*net.TCPConn)
}

// beating is a configuration with short heartbeats.
func beating(every time.Duration) *session.Config {
	return &session.Config{Heartbeat: every, Router: methods{"echo": {call: echo}, "e": {}}, RouteWindow: 16 << 20}
}

// within waits for the end of a session, and returns how long it took.
func within(t *testing.T, s *session.Session, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	select {
	case <-s.Done():
	case <-time.After(limit):
		t.Fatalf("still alive after %v", limit)
	}
	return time.Since(began)
}

// When all packets are lost, both sides find out within two heartbeats, and calls that wait
// fail then.
func TestHalfOpen(t *testing.T) {
	const every = 400 * time.Millisecond
	c := cable.New(t)
	ds, as, _ := onCable(t, c, beating(every), beating(every))
	_, err := ds.Route(method("echo")).Call(t.Context(), session.Message{}, nil)
	must(t, err)
	c.Cut()
	began := time.Now()
	p := ds.Route(method("echo")).Go(t.Context(), session.Message{})
	for name, s := range map[string]*session.Session{"dialling": ds, "accepting": as} {
		within(t, s, 2*every+slack)
		wantLimit(t, s.Err(), status.PeerGone, session.HeartbeatLimit)
		t.Logf("the %s side found it after %v", name, time.Since(began).Round(time.Millisecond))
	}
	_, err = p.Wait(patience(t))
	wantCode(t, err, status.PeerGone)
}

// 200 ms each way are no death, nor is a cut that is mended soon enough.
func TestSlowCable(t *testing.T) {
	const every = time.Second
	c := cable.New(t)
	cfg := beating(every)
	cfg.HeartbeatGrace = 10 * time.Second
	ds, as, _ := onCable(t, c, cfg, cfg)
	c.Delay(200 * time.Millisecond)
	began := time.Now()
	for range 3 {
		_, err := ds.Route(method("echo")).Call(t.Context(), session.Message{Payload: make([]byte, 1000)}, nil)
		must(t, err)
	}
	if took := time.Since(began); took < 3*400*time.Millisecond {
		t.Errorf("three calls took %v", took)
	}
	<-time.After(2 * every) // silence, with slow heartbeats
	if ds.Err() != nil || as.Err() != nil {
		t.Fatal(ds.Err(), as.Err())
	}
	c.Delay(0)
	c.Cut()
	<-time.After(2 * every)
	c.Mend()
	_, err := ds.Route(method("echo")).Call(patience(t), session.Message{}, nil)
	must(t, err)
	if ds.Err() != nil || as.Err() != nil {
		t.Fatal(ds.Err(), as.Err())
	}
}

// A machine that has lost its memory of the connection answers the next heartbeat with a
// reset: that is found within one.
func TestReset(t *testing.T) {
	const every = time.Second
	c := cable.New(t)
	ds, _, socket := onCable(t, c, beating(every), &session.Config{})
	c.Cut()
	must(t, socket.SetLinger(0))
	before := c.Lost()
	must(t, socket.Close())
	for c.Lost() == before { // until its own reset is
		<-time.After(time.Millisecond)
	}
	c.Mend()
	took := within(t, ds, every+slack)
	wantCode(t, ds.Err(), status.PeerGone)
	if !errors.Is(ds.Err(), syscall.ECONNRESET) {
		t.Error(ds.Err())
	}
	t.Logf("found after %v", took.Round(time.Millisecond))
}

// Where long packets vanish and short ones pass, no answer comes past the long ones that wait
// in the kernel: the side that is sent to finds that out, and the other one learns it.
func TestBlackHole(t *testing.T) {
	const every = 400 * time.Millisecond
	c := cable.New(t)
	ds, as, _ := onCable(t, c, beating(every), beating(every))
	c.Lose(func(p []byte) bool { return len(p) > 600 })
	must(t, ds.Route(event("e")).Emit(t.Context(), session.Message{Payload: make([]byte, 60<<10)}))
	must(t, ds.Flush(t.Context()))
	took := within(t, as, 2*every+slack)
	wantLimit(t, as.Err(), status.PeerGone, session.HeartbeatLimit)
	within(t, ds, 2*every+slack)
	wantCode(t, ds.Err(), status.PeerGone)
	t.Logf("found after %v: %v", took.Round(time.Millisecond), ds.Err())
}
