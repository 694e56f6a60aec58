// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// A session that is cut at any frame, or within one, ends for everybody with a status;
// nothing hangs and nothing is left.
func TestCutAnywhere(t *testing.T) {
	for n := int64(1); n <= 40; n++ {
		cut(t, mem.Faults{CutFrames: n}, mem.Faults{}, 0)
		cut(t, mem.Faults{}, mem.Faults{CutFrames: n}, 0)
		cut(t, mem.Faults{CutBytes: n * n * 53}, mem.Faults{CutBytes: n * n * 71}, 0)
	}
}

// Frames that are lost, come twice or are spoiled do no more harm than that: who waits for
// a lost one waits until the end.
func TestSpoiltFrames(t *testing.T) {
	for seed := range uint64(20) {
		for _, f := range []mem.Faults{
			{Corrupt: mem.Some(seed, 0.05)}, {Lose: mem.Some(seed, 0.05)}, {Duplicate: mem.Some(seed, 0.05)},
		} {
			cut(t, f, mem.Faults{CutFrames: 200}, 20*time.Millisecond)
		}
	}
}

// cut has two busy peers talk over a line that breaks, at the latest after a while if one
// is given.
func cut(t *testing.T, out, back mem.Faults, while time.Duration) {
	t.Helper()
	router := methods{
		"echo": {call: echo}, "count": streaming["count"], "echoes": streaming["echoes"], "sum": streaming["sum"],
		"e": {receive: func(_ *session.Session, f *session.Frame) { f.Hold().Consumed() }},
	}
	cfg := &session.Config{Router: router, StreamWindow: 2000, RouteWindow: 2000}
	d, a := mem.Pipe()
	ds, as, derr, aerr := shake(d, a, cfg, cfg)
	must(t, errors.Join(derr, aerr))
	d.SetFaults(out)
	a.SetFaults(back)
	if while > 0 {
		defer time.AfterFunc(while, d.Cut).Stop()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patienceTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range []*session.Session{ds, as} {
		for name, f := range busy {
			wg.Go(func() {
				var err error
				for err == nil {
					err = f(ctx, s)
				}
				if !ended(err) {
					t.Errorf("%s: %v", name, err)
					s.Close() // one of them notices
				}
			})
		}
	}
	for _, s := range []*session.Session{ds, as} {
		select {
		case <-s.Done():
		case <-ctx.Done():
			t.Errorf("no end: %+v", out)
		}
		ds.Close()
		as.Close()
	}
	wg.Wait()
	ds.Wait()
	as.Wait()
}

// ended reports whether an error is what an end, or a spoilt frame, may cause.
func ended(err error) bool {
	return typed(err) && !errors.Is(err, status.DeadlineExceeded) && !errors.Is(err, status.Internal)
}

// busy are things to do until they fail.
var busy = map[string]func(ctx context.Context, s *session.Session) error{
	"call": func(ctx context.Context, s *session.Session) error {
		_, err := s.Route(method("echo")).Call(ctx, session.Message{Payload: make([]byte, 100)}, nil)
		return err
	},
	"long call": func(ctx context.Context, s *session.Session) error {
		_, err := s.Route(method("echo")).Call(ctx, session.Message{Payload: make([]byte, 150<<10)}, nil)
		return err
	},
	"items": func(ctx context.Context, s *session.Session) error {
		x, err := s.Route(method("count")).Open(ctx, wire.ServerStream, session.Message{})
		for err == nil {
			_, err = x.Recv(ctx, nil)
		}
		if err == io.EOF {
			_, err = x.Reply(ctx)
		}
		return err
	},
	"both ways": func(ctx context.Context, s *session.Session) error {
		x, err := s.Route(method("echoes")).Open(ctx, wire.Duplex, session.Message{})
		for i := 0; err == nil && i < 20; i++ {
			if err = x.Send(ctx, session.Message{Payload: make([]byte, 1000)}); err == nil {
				_, err = x.Recv(ctx, nil)
			}
		}
		if err == nil {
			x.Cancel()
		}
		if err == io.EOF { // the handler has given up first
			_, err = x.Reply(ctx)
		}
		return err
	},
	"event": func(ctx context.Context, s *session.Session) error {
		return s.Route(event("e")).Emit(ctx, session.Message{Payload: make([]byte, 500)})
	},
	"ping": func(ctx context.Context, s *session.Session) error { return s.Ping(ctx) },
}

// A handshake that is cut anywhere fails on both sides, or on none before the end.
func TestHandshakeCut(t *testing.T) {
	for n := range int64(40) {
		for _, f := range []mem.Faults{{CutFrames: n/10 + 1}, {CutBytes: n*17 + 1}} {
			for _, dialler := range []bool{true, false} {
				d, a := mem.Pipe()
				if dialler {
					d.SetFaults(f)
				} else {
					a.SetFaults(f)
				}
				ds, as, derr, aerr := shake(d, a, nil, nil)
				if derr == nil {
					ds.Ping(patience(t)) // cut, or the handshake was shorter
				}
				for _, err := range []error{derr, aerr} {
					if err != nil && !ended(err) {
						t.Fatal(err)
					}
				}
				for _, s := range []*session.Session{ds, as} {
					if s != nil {
						s.Close()
						s.Wait()
					}
				}
			}
		}
	}
}
