// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/stdio"
	"github.com/plexus-ipc/plexus/wire"
)

// byteLine returns the ends of a byte stream for a bubble.
func byteLine() (d, a transport.Conn) {
	c, s := net.Pipe()
	return stdio.New(c, c), stdio.New(s, s)
}

// longEvent is an event on route 1, a frame of n bytes.
func longEvent(n int) []byte {
	return wire.AppendFrame(nil, wire.Header{Kind: wire.KindEvent, Flags: wire.FlagOneWay, Route: 1}, nil, make([]byte, n-wire.HeaderSize))
}

// slow writes p a byte at a time, until the line is cut; false if it was.
func (r *raw) slow(p []byte, pause time.Duration) bool {
	for i := range p {
		if r.c.Send(p[i:i+1]) != nil {
			return false
		}
		<-time.After(pause)
	}
	return true
}

// hear reads on until the end, and returns the reason that was told.
func (r *raw) hear() <-chan *wire.Status {
	told := make(chan *wire.Status, 1)
	go func() {
		var why *wire.Status
		for {
			h, payload, err := r.recv()
			if err != nil {
				told <- why
				return
			}
			if h.Kind == wire.KindGoaway {
				if st, err := wire.ParseStatus(payload); err == nil {
					why = &st
				}
				r.c.Close()
			}
		}
	}()
	return told
}

// byteBubble runs f in a bubble with a session and the raw peer on a byte stream.
func byteBubble(t *testing.T, cfg session.Config, f func(t *testing.T, s *session.Session, r *raw)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { <-time.After(time.Minute) })
		cfg.Keeper = new(session.Keeper)
		if cfg.Router == nil {
			cfg.Router = methods{"e": {}}
		}
		d, a := byteLine()
		s, r := rawOver(t, d, a, generous, &cfg)
		f(t, s, r)
	})
}

// A peer that sends a byte every ten seconds is ended by FrameTimeout, although each byte is a
// sign of life to the heartbeat; and is told why.
func TestFrameTimeout(t *testing.T) {
	byteBubble(t, session.Config{Heartbeat: 15 * time.Second}, func(t *testing.T, s *session.Session, r *raw) {
		told := r.hear()
		r.bind(1, event("e"))
		began := time.Now()
		if r.slow(longEvent(60<<10), 10*time.Second) {
			t.Fatal("a frame of an hour")
		}
		<-s.Done()
		if took := time.Since(began); took < session.DefaultFrameTimeout || took > 2*session.DefaultFrameTimeout {
			t.Errorf("ended after %v", took)
		}
		wantLimit(t, s.Err(), status.PeerGone, session.FrameLimit)
		if why := <-told; why == nil || status.Code(why.Code) != status.PeerGone || string(why.Details) == "" {
			t.Errorf("told %v", why)
		}
	})
}

// Slow frames that end in time are no reason, nor is a pause between frames, however many
// there are.
func TestSlowFrames(t *testing.T) {
	got := make(chan int, 1000)
	router := methods{"e": {receive: func(_ *session.Session, f *session.Frame) { got <- len(f.Payload) }}}
	cfg := session.Config{Heartbeat: time.Second, FrameTimeout: 20 * time.Second, Router: router}
	byteBubble(t, cfg, func(t *testing.T, s *session.Session, r *raw) {
		told := r.hear()
		r.bind(1, event("e"))
		whole := longEvent(100)
		for i := range 50 {
			// The end of one frame, and the beginning of the next at once.
			must(t, r.c.Send(whole[:40]))
			for range 19 {
				<-time.After(time.Second)
				must(t, r.c.Send(whole[40:41]))
				whole = append(whole[:40:40], whole[41:]...)
			}
			must(t, r.c.Send(whole[40:]))
			whole = longEvent(100)
			if i%10 == 9 {
				must(t, r.c.Send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindPing}, nil, nil)))
			}
		}
		synctest.Wait()
		if s.Err() != nil || len(got) != 50 {
			t.Fatal(s.Err(), len(got))
		}
		s.Close()
		<-told
	})
}

// A process that was stopped in the middle of a frame gives the peer its time anew.
func TestFrameTimeoutAfterOwnStop(t *testing.T) {
	k := func(cfg *session.Config) *session.Keeper { return cfg.Keeper }
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { <-time.After(time.Minute) })
		cfg := session.Config{Keeper: new(session.Keeper), Router: methods{"e": {}}}
		d, a := byteLine()
		s, r := rawOver(t, d, a, generous, &cfg)
		told := r.hear()
		r.bind(1, event("e"))
		must(t, r.c.Send(longEvent(100)[:50]))
		<-time.After(25 * time.Second)
		k(&cfg).Freeze()
		<-time.After(time.Hour)
		k(&cfg).Thaw()
		<-time.After(25 * time.Second)
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		began := time.Now()
		<-s.Done()
		wantLimit(t, s.Err(), status.PeerGone, session.FrameLimit)
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("another %v", took)
		}
		<-told
	})
}

// What is less than 0 is never.
func TestNoFrameTimeout(t *testing.T) {
	byteBubble(t, session.Config{FrameTimeout: -1}, func(t *testing.T, s *session.Session, r *raw) {
		told := r.hear()
		must(t, r.c.Send(longEvent(100)[:50]))
		<-time.After(24 * time.Hour)
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		s.Close()
		<-told
	})
}

// The limit holds on real streams, and other sessions do not notice.
func TestFrameTimeoutOnStreams(t *testing.T) {
	for _, name := range []string{"unix", "tcp", "tls"} {
		t.Run(name, func(t *testing.T) {
			cfg := &session.Config{FrameTimeout: 200 * time.Millisecond, Router: methods{"e": {}, "echo": {call: echo}}}
			d, a := conns[name](t)
			s, r := rawOver(t, d, a, generous, cfg)
			d2, a2 := conns[name](t)
			other, _ := pair(t, d2, a2, nil, cfg)
			r.bind(1, event("e"))
			began := time.Now()
			r.write(longEvent(1000)[:999])
			r.wantGoaway(s, status.PeerGone)
			wantLimit(t, s.Err(), status.PeerGone, session.FrameLimit)
			t.Logf("ended after %v", time.Since(began).Round(time.Millisecond))
			_, err := other.Route(method("echo")).Call(t.Context(), session.Message{}, nil)
			must(t, err)
		})
	}
}

// A peer that does not finish the handshake is told which limit has passed, where the Conn can be
// interrupted.
func TestHandshakeLimitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, a := byteLine()
		r := &raw{t: t, c: d}
		told := make(chan *wire.Status, 1)
		go func() {
			if b, err := d.Recv(); err == nil {
				b.Release() // the preface
			}
			told <- <-r.hear()
		}()
		began := time.Now()
		_, err := session.Accept(t.Context(), a, &session.Config{HandshakeTimeout: 3 * time.Second})
		wantLimit(t, err, status.DeadlineExceeded, session.HandshakeLimit)
		if took := time.Since(began); took < 3*time.Second || took > 3200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		why := <-told
		if why == nil || status.Code(why.Code) != status.DeadlineExceeded || string(why.Details) != `{"timeout":"handshake","ms":3000}` {
			t.Errorf("told %v", why)
		}
		d.Close()
	})
}

// What a peer says about its limits is believed only as far as it makes sense.
func FuzzTimeoutDetails(f *testing.F) {
	for _, s := range []string{`{"timeout":"frame","ms":30000}`, `{"timeout":"idle","ms":-1}`, `{"timeout":"","ms":1}`, `{"timeout":"data","ms":9223372036854775807}`, `[]`, "{"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, details []byte) {
		te, ok := session.TimeoutOf(details).(*session.TimeoutError)
		if !ok {
			return
		}
		switch te.Limit {
		case session.HandshakeLimit, session.HeartbeatLimit, session.FrameLimit, session.IdleLimit, session.DataLimit:
		default:
			t.Errorf("%q", te.Limit)
		}
		if te.After < 0 || len(te.Error()) > 100 {
			t.Error(te)
		}
	})
}
