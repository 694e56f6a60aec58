// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// raw is a peer that writes and reads its own frames, as a hostile one does.
type raw struct {
	t testing.TB
	c transport.Conn
}

var generous = wire.Limits{Message: 8 << 20, Calls: 1000, Routes: 1000, Stream: 1 << 20, Route: 1 << 20}

func hello(limits wire.Limits) []byte {
	b, _ := json.Marshal(wire.Hello{
		Product: "raw/1", Instance: strings.Repeat("0", 32), Nonce: strings.Repeat("0", 64), Auth: []string{"none"}, Limits: limits,
	})
	return b
}

// opening is what a dialler sends first.
func opening(limits wire.Limits) []byte {
	out := wire.AppendPreface(nil, wire.Preface{Major: wire.Major, Minor: wire.Minor})
	return wire.AppendFrame(out, wire.Header{Kind: wire.KindHello}, nil, hello(limits))
}

var authNone = wire.AppendFrame(nil, wire.Header{Kind: wire.KindAuth}, nil, []byte(`{"mechanism":"none"}`))

// rawPeer returns a session that was accepted and the raw peer that has dialled it.
func rawPeer(t testing.TB, limits wire.Limits, cfg *session.Config) (*session.Session, *raw) {
	t.Helper()
	d, a := mem.Pipe()
	return rawOver(t, d, a, limits, cfg)
}

// rawTogether is rawPeer over a line that gives all frames at once that have come.
func rawTogether(t testing.TB, limits wire.Limits, cfg *session.Config) (*session.Session, *raw) {
	t.Helper()
	d, a := mem.Pipe()
	return rawOver(t, d, together{a}, limits, cfg)
}

func rawOver(t testing.TB, d, a transport.Conn, limits wire.Limits, cfg *session.Config) (*session.Session, *raw) {
	t.Helper()
	r := &raw{t: t, c: d}
	type result struct {
		s   *session.Session
		err error
	}
	ch := make(chan result, 1)
	go func() {
		s, err := session.Accept(context.Background(), a, cfg)
		ch <- result{s, err}
	}()
	r.write(opening(limits))
	b, err := d.Recv()
	must(t, err)
	b.Release() // the preface
	r.want(wire.KindHello)
	r.write(authNone)
	r.want(wire.KindAuth)
	got := <-ch
	must(t, got.err)
	t.Cleanup(func() {
		got.s.Close()
		r.c.Close()
		got.s.Wait()
	})
	return got.s, r
}

func (r *raw) write(p []byte) {
	r.t.Helper()
	must(r.t, r.c.Send(p))
}

func (r *raw) send(h wire.Header, payload []byte) {
	r.t.Helper()
	r.write(wire.AppendFrame(nil, h, nil, payload))
}

func (r *raw) bind(n uint32, b wire.Bind) {
	r.t.Helper()
	r.send(wire.Header{Kind: wire.KindBind, Route: n, Sequence: uint64(n)}, wire.AppendBind(nil, b))
}

// recv returns the next frame.
func (r *raw) recv() (wire.Header, []byte, error) {
	b, err := r.c.Recv()
	if err != nil {
		return wire.Header{}, nil, err
	}
	defer b.Release()
	h, _, payload, err := wire.ParseFrame(b.Bytes())
	return h, append([]byte(nil), payload...), err
}

// want skips frames until one of a kind comes.
func (r *raw) want(k wire.Kind) (wire.Header, []byte) {
	r.t.Helper()
	for {
		h, payload, err := r.recv()
		if err != nil {
			r.t.Fatalf("waiting for %v: %v", k, err)
		}
		if h.Kind == k {
			return h, payload
		}
		if h.Kind == wire.KindGoaway {
			r.t.Fatalf("waiting for %v: GOAWAY %q", k, payload)
		}
	}
}

// wantFail waits for the FAIL of a call.
func (r *raw) wantFail(id uint32, code status.Code) {
	r.t.Helper()
	h, payload := r.want(wire.KindFail)
	st, err := wire.ParseStatus(payload)
	must(r.t, err)
	if h.ID != id || status.Code(st.Code) != code || len(st.Message) == 0 {
		r.t.Fatalf("FAIL of call %d with %v (%s), want %d with %v", h.ID, status.Code(st.Code), st.Message, id, code)
	}
}

// wantGoaway waits for the session's last words and its end.
func (r *raw) wantGoaway(s *session.Session, code status.Code) {
	r.t.Helper()
	for {
		h, payload, err := r.recv()
		if err != nil {
			r.t.Fatalf("no GOAWAY: %v", err)
		}
		if h.Kind != wire.KindGoaway || h.Flags&wire.FlagEnd == 0 {
			continue
		}
		st, err := wire.ParseStatus(payload)
		must(r.t, err)
		if status.Code(st.Code) != code {
			r.t.Fatalf("GOAWAY %v (%s), want %v", status.Code(st.Code), st.Message, code)
		}
		break
	}
	r.c.Close()
	<-s.Done()
	wantCode(r.t, s.Err(), code)
	s.Wait()
}

// alive fails the test unless the session answers.
func (r *raw) alive() {
	r.t.Helper()
	r.send(wire.Header{Kind: wire.KindPing}, []byte("alive?"))
	for {
		if _, payload := r.want(wire.KindPong); string(payload) == "alive?" {
			return
		}
	}
}

// id returns the id of a call of the dialler.
func id(slot uint32) uint32 { return 1<<19 | slot<<1 }
