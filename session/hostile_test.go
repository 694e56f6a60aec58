// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// taking serves methods, an event and a stream for hostile peers.
func taking() methods {
	return methods{"echo": {call: echo}, "e": {}, "echoes": streaming["echoes"], "count": streaming["count"]}
}

func small() *session.Config {
	return &session.Config{
		Router: taking(), MaxMessage: 100 << 10, MaxCalls: 8, MaxRoutes: 8, StreamWindow: 1000, RouteWindow: 1000,
		Gate: session.NewGate(4, 4),
	}
}

// A breach of the protocol ends the session with a status that names it, told to the peer.
func TestViolations(t *testing.T) {
	credit := wire.AppendCredit(nil, wire.Credit{Limit: 1})
	for name, breach := range map[string]func(r *raw){
		"unknown kind":          func(r *raw) { r.send(wire.Header{Kind: 99}, nil) },
		"kind 0":                func(r *raw) { r.send(wire.Header{}, nil) },
		"HELLO":                 func(r *raw) { r.send(wire.Header{Kind: wire.KindHello}, hello(generous)) },
		"INTRODUCE":             func(r *raw) { r.send(wire.Header{Kind: wire.KindIntroduce}, nil) },
		"short frame":           func(r *raw) { r.write(binary.LittleEndian.AppendUint64(nil, 8)) },
		"extensions beyond":     func(r *raw) { r.write(overrun()) },
		"BIND route 0":          func(r *raw) { r.bind(0, method("echo")) },
		"BIND beyond the limit": func(r *raw) { r.bind(9, method("echo")) },
		"BIND malformed":        func(r *raw) { r.send(wire.Header{Kind: wire.KindBind, Route: 1}, []byte{1, 200, 'x'}) },
		"CREDIT malformed":      func(r *raw) { r.send(wire.Header{Kind: wire.KindCredit, Route: 1}, credit[:15]) },
		"SOURCE malformed":      func(r *raw) { r.send(wire.Header{Kind: wire.KindSource, Source: 1}, []byte{9}) },
		"long PING":             func(r *raw) { r.send(wire.Header{Kind: wire.KindPing}, make([]byte, 65)) },
		"CALL of our parity":    func(r *raw) { r.send(wire.Header{Kind: wire.KindCall, ID: id(0) | 1}, nil) },
		"CALL beyond the limit": func(r *raw) { r.send(wire.Header{Kind: wire.KindCall, ID: id(8)}, nil) },
		"EVENT on no route":     func(r *raw) { r.send(wire.Header{Kind: wire.KindEvent, Route: 5}, nil) },
		"EVENT without credit": func(r *raw) {
			r.bind(1, event("e"))
			for range 20 {
				r.c.Send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindEvent, Route: 1}, nil, make([]byte, 2000)))
			}
		},
		"items without credit": func(r *raw) {
			r.bind(1, method("block"))
			r.send(call(0, wire.Duplex), nil)
			for range 20 {
				r.c.Send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindData, ID: id(0)}, nil, make([]byte, 100)))
			}
		},
		"call id in use": func(r *raw) {
			r.bind(1, method("block"))
			r.send(call(0, wire.Unary), nil)
			r.c.Send(wire.AppendFrame(nil, call(0, wire.Unary), nil, nil))
		},
		"too many in pieces": func(r *raw) {
			for n := range uint32(9) {
				r.c.Send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindEvent, Flags: wire.FlagMore, Route: n + 1}, nil, make([]byte, 10)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := small()
			began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
			router := blocking(began, ended)
			router["e"] = target{receive: func(_ *session.Session, f *session.Frame) { f.Hold() }}
			cfg.Router = router
			s, r := rawPeer(t, generous, cfg)
			breach(r)
			r.wantGoaway(s, status.Protocol)
		})
	}
}

// overrun is a frame whose extensions are longer than itself.
func overrun() []byte {
	b := wire.AppendFrame(nil, wire.Header{Kind: wire.KindPing}, nil, nil)
	b[7] = 200
	return b
}

func call(slot uint32, shape wire.Shape) wire.Header {
	h := wire.Header{Kind: wire.KindCall, ID: id(slot), Route: 1, Bits: wire.MakeBits(0, shape, false)}
	if shape == wire.Unary || shape == wire.ServerStream {
		h.Flags = wire.FlagEnd
	}
	return h
}

// More bytes of unfinished messages than a correct peer sends end the session.
func TestUnfinishedBytes(t *testing.T) {
	cfg := small()
	cfg.MaxMessage, cfg.MaxRoutes = 2<<20, 100
	s, r := rawPeer(t, generous, cfg)
	for n := range uint32(7) {
		for range 31 {
			r.c.Send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindEvent, Flags: wire.FlagMore, Route: n + 1}, nil, make([]byte, 64<<10)))
		}
	}
	r.wantGoaway(s, status.LimitExceeded)
}

// What is late or unknown but may be ignored is skipped, and the session goes on.
func TestIgnored(t *testing.T) {
	credit := wire.AppendCredit(nil, wire.Credit{Limit: 1 << 40})
	s, r := rawPeer(t, generous, small())
	r.send(wire.Header{Kind: 99, Flags: wire.FlagIgnorable}, []byte("whatever"))
	for _, n := range []uint32{id(0), id(3) | 1, 1, 0xffffffff, 0xfffffffe} {
		for _, k := range []wire.Kind{wire.KindReply, wire.KindFail, wire.KindData, wire.KindCancel, wire.KindAbort} {
			r.send(wire.Header{Kind: k, ID: n, Route: 77}, nil)
		}
		r.send(wire.Header{Kind: wire.KindCredit, ID: n}, credit)
	}
	r.send(wire.Header{Kind: wire.KindCredit, Route: 3}, credit)
	r.send(wire.Header{Kind: wire.KindRevoke, Route: 3}, nil)
	r.send(wire.Header{Kind: wire.KindRevoke, Flags: wire.FlagEnd, Route: 3}, []byte("not a status"))
	r.send(wire.Header{Kind: wire.KindPong}, []byte("unasked"))
	r.send(wire.Header{Kind: wire.KindPong}, make([]byte, 8))
	r.send(wire.Header{Kind: wire.KindAbort, Route: 3}, nil)
	r.bind(2, wire.Bind{Class: wire.ClassLabel, Name: "l"})
	r.send(wire.Header{Kind: wire.KindEvent, Route: 2}, make([]byte, 5000)) // on a route that leads nowhere
	r.alive()
	if s.Err() != nil || s.Stats().Dropped == 0 {
		t.Fatal(s.Err(), s.Stats())
	}
}

// Calls that cannot be served are answered, each once, with what is wrong.
func TestRefusedCalls(t *testing.T) {
	s, r := rawPeer(t, generous, small())
	r.send(call(0, wire.Unary), nil)
	r.wantFail(id(0), status.Protocol) // no such route
	for n, b := range []wire.Bind{event("e"), {Class: wire.ClassLabel, Name: "x"}, {Class: 77, Name: "x"}} {
		r.bind(1, b)
		r.send(call(uint32(n), wire.Unary), nil)
		r.wantFail(id(uint32(n)), status.Protocol)
	}
	r.bind(1, method("none"))
	for range 3 {
		r.send(call(0, wire.Unary), nil)
		r.wantFail(id(0), status.UnknownMethod)
	}
	r.bind(1, method("count"))
	r.send(call(0, wire.Unary), nil)
	r.wantFail(id(0), status.WrongShape)
	r.bind(1, method("echo"))
	r.send(call(0, wire.Unary), make([]byte, 60<<10))
	if _, p := r.want(wire.KindReply); len(p) != 60<<10 {
		t.Fatal(len(p))
	}
	h := call(1, wire.Unary)
	h.Flags = wire.FlagMore
	r.send(h, make([]byte, 64<<10))
	r.send(wire.Header{Kind: wire.KindAbort, ID: id(1)}, nil)
	r.wantFail(id(1), status.Cancelled)
	for range 3 { // longer than the limit, told once
		r.send(h, make([]byte, 64<<10))
	}
	r.wantFail(id(1), status.TooLarge)
	r.send(call(1, wire.Unary), nil) // its end
	r.alive()
	if n := s.Partial(); n != 0 {
		t.Fatalf("%d messages in pieces are kept", n)
	}
}

// An answer in pieces that follows an unfinished item takes its place (bug: its first
// piece was taken for the whole).
func TestAnswerAfterUnfinishedItem(t *testing.T) {
	s, r := rawPeer(t, generous, &session.Config{})
	x, err := s.Route(method("m")).Open(patience(t), wire.ServerStream, session.Message{})
	must(t, err)
	h, _ := r.want(wire.KindCall)
	more := func(k wire.Kind, n int, flags wire.Flags) {
		r.send(wire.Header{Kind: k, ID: h.ID, Flags: flags}, make([]byte, n))
	}
	more(wire.KindData, 64<<10, wire.FlagMore)
	more(wire.KindReply, 64<<10, wire.FlagMore)
	more(wire.KindReply, 5, wire.FlagEnd)
	rep, err := x.Reply(patience(t))
	must(t, err)
	if len(rep.Payload) != 64<<10+5 {
		t.Fatalf("%d bytes", len(rep.Payload))
	}
	r.alive()
}

// An answer or failure that is too long fails its call; an item its stream, whose id is not
// used again before the peer has ended it (bug: the next call met the old one).
func TestTooLongAnswers(t *testing.T) {
	cfg := &session.Config{MaxMessage: 10}
	s, r := rawPeer(t, generous, cfg)
	for _, k := range []wire.Kind{wire.KindReply, wire.KindFail} {
		p := s.Route(method("m")).Go(patience(t), session.Message{})
		h, _ := r.want(wire.KindCall)
		r.send(wire.Header{Kind: k, ID: h.ID, Flags: wire.FlagMore}, make([]byte, 64<<10))
		_, err := p.Wait(patience(t))
		wantCode(t, err, status.TooLarge)
		r.send(wire.Header{Kind: k, ID: h.ID, Flags: wire.FlagEnd}, make([]byte, 11))
	}
	x, err := s.Route(method("m")).Open(patience(t), wire.ServerStream, session.Message{})
	must(t, err)
	h, _ := r.want(wire.KindCall)
	r.send(wire.Header{Kind: wire.KindData, ID: h.ID}, make([]byte, 11))
	_, err = x.Recv(patience(t), nil)
	wantCode(t, err, status.TooLarge)
	if c, _ := r.want(wire.KindCancel); c.ID != h.ID {
		t.Fatal(c.ID)
	}
	s.Route(method("m")).Go(patience(t), session.Message{})
	if next, _ := r.want(wire.KindCall); session.Slot(next.ID) == session.Slot(h.ID) {
		t.Fatal("the slot is used again before the final frame")
	}
	r.send(wire.Header{Kind: wire.KindFail, ID: h.ID, Flags: wire.FlagEnd}, nil)
	r.alive()
}

// A peer that asks and never reads is cut when what cannot be held back has become too
// much, whatever it claims to take.
func TestPeerNeverReads(t *testing.T) {
	limits := generous
	limits.Message = 1 << 60
	s, r := rawPeer(t, limits, small())
	s.SetHardLimit(4 << 20)
	ping := wire.AppendFrame(nil, wire.Header{Kind: wire.KindPing}, nil, make([]byte, 64))
	batch := []byte(strings.Repeat(string(ping), 500))
	for s.Err() == nil {
		if r.c.Send(batch) != nil {
			break
		}
	}
	<-s.Done()
	wantCode(t, s.Err(), status.Overloaded)
	s.Wait()
}

// Requests of a peer that does not read its answers wait in a bounded queue.
func TestRequestsBehindUnreadAnswers(t *testing.T) {
	cfg := small()
	cfg.MaxCalls = 1000
	s, r := rawPeer(t, generous, cfg)
	r.bind(1, method("echo"))
	for n := range uint32(100) {
		r.send(call(n, wire.Unary), make([]byte, 60<<10))
	}
	answered, refused := 0, 0
	for range 100 {
		h, p, err := r.recv()
		must(t, err)
		if st, _ := wire.ParseStatus(p); h.Kind == wire.KindFail && status.Code(st.Code) == status.Overloaded {
			refused++
		} else if h.Kind == wire.KindReply {
			answered++
		}
	}
	if answered+refused != 100 || answered < 4 {
		t.Fatalf("%d answered, %d refused", answered, refused)
	}
	r.alive()
	if q := s.Stats().Inbound; q != 0 {
		t.Fatalf("%d calls are open", q)
	}
}

// A peer may use a slot again as soon as it has the answer.
func TestSlotAgainAtOnce(t *testing.T) {
	_, r := rawPeer(t, generous, small())
	r.bind(1, method("echoes"))
	for n := range uint32(2000) {
		h := call(0, wire.Duplex)
		h.ID = (n%8190 + 1) << 19
		r.send(h, nil)
		r.send(wire.Header{Kind: wire.KindData, Flags: wire.FlagEnd, ID: h.ID}, nil)
		if got, _ := r.want(wire.KindReply); got.ID != h.ID {
			t.Fatal(got.ID)
		}
	}
}

// Sources are named by the thousands, and forgotten by the thousands.
func TestManySources(t *testing.T) {
	s, r := rawPeer(t, generous, small())
	for n := range uint64(70 << 10) {
		r.write(wire.AppendFrame(nil, wire.Header{Kind: wire.KindSource, Source: n + 1}, nil, wire.AppendSource(nil, wire.Source{Member: "m"})))
	}
	r.alive()
	if s.SourceName(1) != "" || s.SourceName(70<<10) != "m" || s.SourceName(0) != s.Peer().ID {
		t.Fatal("wrong names")
	}
}
