// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// The tests of this file are named after weaknesses of CommIPC's hub: a number is that of
// the list in research/comm_ipc.md §5.

// 1: somebody without the secret names a victim's id, before the victim comes and after,
// and the victim is a member all the same, with all that it provides.
func TestWeakness1UnauthenticatedEviction(t *testing.T) {
	h := newHouse(t, hub.Config{})
	h.base.Auth = secret(t, "open sesame, please, I have been here before")
	wrong := secret(t, "let me in, let me in, let me in, let me in, let me in")
	attack := func() {
		_, err := h.tryJoin("victim", &session.Config{Auth: wrong})
		wantCode(t, err, status.Unauthenticated)
	}
	attack()
	// One that stays in the middle of its handshake reserves nothing either.
	d, a := h.pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		adm := h.h.Admission(h.base)
		defer adm.Release()
		if _, err := session.Accept(context.Background(), a, adm.Config()); err == nil {
			t.Error("half a handshake was enough")
		}
	}()
	out := wire.AppendPreface(nil, wire.Preface{Major: wire.Major, Minor: wire.Minor})
	hello, err := wire.AppendJSON(nil, &wire.Hello{ID: "victim", Nonce: strings.Repeat("0", 64), Instance: "i",
		Limits: wire.Limits{Message: 1, Calls: 1, Routes: 1, Stream: 1, Route: 1}})
	must(t, err)
	must(t, d.Send(wire.AppendFrame(out, wire.Header{Kind: wire.KindHello}, nil, hello)))
	victim := h.join("victim", &session.Config{Auth: h.base.Auth, Router: echoing.Router})
	victim.provide("ch", "echo")
	attack()
	d.Close()
	<-done
	caller := h.join("", &session.Config{Auth: h.base.Auth})
	_, err = caller.call("ch", "echo", "x")
	must(t, err)
	wantIDs(t, caller.memberIDs("ch"), "victim*")
	_, err = h.tryJoin("victim", &session.Config{Auth: h.base.Auth}) // also not with the secret
	wantCode(t, err, status.AlreadyExists)
}

func secret(t *testing.T, s string) auth.Chain {
	m, err := auth.Secret([]byte(s), nil)
	must(t, err)
	return auth.Chain{Mechanisms: []auth.Mechanism{m}}
}

// 4: a publication reaches subscribers only from who may publish, under its own name; an
// answer is taken only from who was asked.
func TestWeakness4Forgery(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner := h.join("owner", nil)
	r := owner.declare("ch", "t", false)
	sub := h.join("sub", nil)
	x := sub.subscribe("ch", "t")
	running := make(chan struct{}, 1)
	release := make(chan struct{})
	owner.provide("ch", "m")
	h.join("p", router(map[string]func(*session.Call){"slow": func(c *session.Call) {
		running <- struct{}{}
		<-release
		c.Reply(session.Message{Payload: []byte("true")})
	}})).provide("ch", "slow")
	caller := h.join("caller", nil)
	pending := caller.s.Route(method("ch", "slow")).Go(t.Context(), session.Message{})
	<-running

	evil := h.rawJoin()
	evil.send(wire.Header{Kind: wire.KindBind, Route: 1}, wire.AppendBind(nil, wire.Bind{Class: wire.ClassTopic, Channel: "ch", Name: "t"}))
	evil.send(wire.Header{Kind: wire.KindPublish, Route: 1, Source: 1, Sequence: 1}, []byte("forged"))
	evil.send(wire.Header{Kind: wire.KindBind, Route: 2}, wire.AppendBind(nil, wire.Bind{Class: wire.ClassLabel, Channel: "ch", Name: "t"}))
	evil.send(wire.Header{Kind: wire.KindPublish, Route: 2, Source: 1}, []byte("forged"))
	for slot := range uint32(20) { // answers, items and cancels for calls that are others'
		for _, parity := range []uint32{0, 1} {
			id := 1<<19 | slot<<1 | parity
			evil.send(wire.Header{Kind: wire.KindData, ID: id, Route: 1, Source: 1}, []byte("forged"))
			evil.send(wire.Header{Kind: wire.KindReply, Flags: wire.FlagEnd, ID: id, Source: 1}, []byte("forged"))
			evil.send(wire.Header{Kind: wire.KindCancel, ID: id}, nil)
		}
	}
	must(t, evil.s.Ping(t.Context()))
	must(t, owner.emit(r, "real"))
	close(release)
	rep, err := pending.Wait(patience(t))
	must(t, err)
	if string(rep.Payload) != "true" {
		t.Fatalf("%s", rep.Payload)
	}
	item, err := x.Recv(patience(t), nil)
	must(t, err)
	if string(item.Payload) != "real" || sub.s.SourceName(item.Source) != "owner" {
		t.Fatalf("%s from %s", item.Payload, sub.s.SourceName(item.Source))
	}

	// A member that may send cannot do it under another's name.
	cfg, got := listening()
	h.join("ear", cfg).joinChannel("ch")
	liar := h.join("liar", nil)
	must(t, liar.event("ch", "e", "ear").Emit(t.Context(), session.Message{Payload: []byte("x"), Source: 1}))
	wantArrival(t, got, arrival{"ch", "e", "liar", "x"})
}

// 5, 24: the hub's own channels can be neither joined, provided for, broadcast to nor
// published on, whatever the client's library thinks.
func TestWeakness24ReservedNames(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	for _, ch := range []string{"$", "$logs", "$errors"} {
		wantCode(t, p.op(operation.Join, operation.Place{Channel: ch}, nil), status.InvalidArgument)
		wantCode(t, p.op(operation.Provide, operation.Offer{Channel: ch, Method: "m"}, nil), status.InvalidArgument)
		wantCode(t, p.op(operation.Declare, operation.Topic{Channel: ch, Name: "t", Shared: true}, nil), status.InvalidArgument)
		for _, r := range []*session.Route{p.broadcast(ch, "m"), p.topic(ch, "t"), p.event(ch, "m", "p")} {
			if err := p.emit(r, ""); !errors.Is(err, status.InvalidArgument) && !errors.Is(err, status.PermissionDenied) {
				t.Fatalf("%s: %v", r, err)
			}
		}
	}
}

// 9: a peer whose first frame is something else than a handshake is nobody.
func TestWeakness9FirstFrame(t *testing.T) {
	h := newHouse(t, hub.Config{})
	var d, a transport.Conn = mem.Pipe()
	must(t, d.Send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindBind, Route: 1}, nil,
		wire.AppendBind(nil, wire.Bind{Class: wire.ClassBroadcast, Channel: "ch", Name: "m"}))))
	adm := h.h.Admission(session.Config{})
	_, err := session.Accept(t.Context(), a, adm.Config())
	adm.Release()
	wantCode(t, err, status.Protocol)
	d.Close()
}

// 20: a call of a stream, and a stream of a call, have a code of their own and do not hang.
func TestWeakness20WrongShape(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", router(map[string]func(*session.Call){
		"stream": func(c *session.Call) {
			if _, err := c.Stream(); err != nil {
				c.Fail(err)
				return
			}
			c.Reply(session.Message{})
		},
		"plain": func(c *session.Call) {
			if c.Shape() != wire.Unary {
				c.Fail(status.Errorf(status.WrongShape, "a plain method"))
				return
			}
			echo(c)
		},
	}))
	p.provide("ch", "stream", "plain")
	c := h.join("", nil)
	_, err := c.call("ch", "stream", "")
	wantCode(t, err, status.WrongShape)
	x, err := c.s.Route(method("ch", "plain")).Open(t.Context(), wire.ServerStream, session.Message{})
	must(t, err)
	_, err = x.Recv(patience(t), nil)
	wantCode(t, err, status.WrongShape)
}

// 22: who was removed from a channel is no member, cannot be promoted, and gets nothing.
func TestWeakness22EvictedIsGone(t *testing.T) {
	h := newHouse(t, hub.Config{OwnerPolicy: hub.Promote})
	cfg, got := listening()
	owner, out, third := h.join("owner", nil), h.join("out", cfg), h.join("third", nil)
	owner.joinChannel("ch")
	out.joinChannel("ch")
	third.joinChannel("ch")
	x := out.subscribe("ch", ">")
	must(t, owner.op(operation.Kick, operation.Eviction{Channel: "ch", Member: "out"}, nil))
	_, err := x.Recv(patience(t), nil)
	wantCode(t, err, status.Evicted)
	must(t, owner.emit(owner.broadcast("ch", "m"), ""))
	must(t, owner.emit(owner.declare("ch", "t", false), ""))
	owner.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	wantIDs(t, third.memberIDs("ch"), "third*")
	must(t, out.s.Ping(t.Context()))
	if len(got) != 0 {
		t.Fatal("an evicted member got a broadcast")
	}
}

// 28: a reader that stops costs the hub a bounded amount, whatever is sent to it.
func TestWeakness28BoundedOutgoingQueue(t *testing.T) {
	h := newHouse(t, hub.Config{DefaultQueueBytes: 256 << 10})
	p, slow := h.join("p", nil), h.join("slow", nil)
	r := p.declare("ch", "t", false)
	slow.subscribe("ch", "t")
	slow.joinChannel("ch")
	b := p.broadcast("ch", "m")
	stall(slow, true)
	payload := make([]byte, 16<<10)
	for range 1000 { // 32 MB
		must(t, r.Emit(t.Context(), session.Message{Payload: payload}))
		must(t, b.Emit(t.Context(), session.Message{Payload: payload}))
	}
	must(t, p.s.Ping(t.Context()))
	st := h.h.Status()
	outbox := slow.hubs.Stats().Queued
	if outbox > 2<<20 || st.Queued > 16 || st.Dropped["queue_full"] == 0 || st.Dropped["event_queue_full"] == 0 {
		t.Fatalf("%d bytes in the outbox, %+v", outbox, st)
	}
	stall(slow, false)
}

// FuzzMember: a member that has shaken hands properly and then writes whatever it likes
// makes nothing panic or stop.
func FuzzMember(f *testing.F) {
	add := func(frames ...string) {
		var program []byte
		for _, frame := range frames { // kind, flags, route, id, then the payload
			program = append(append(append(program, frame[:4]...), byte(len(frame)-4)), frame[4:]...)
		}
		f.Add(program)
	}
	add("\x04\x00\x01\x00\x01\x02ch\x04echo\x00", "\x10\x04\x01\x02hello", "\x10\x04\x01\x02again", "\x08\x00\x00\x02")
	add("\x04\x00\x01\x00\x01\x01$\x09subscribe\x00", "\x10\x44\x01\x02{\"channel\":\"ch\",\"pattern\":\">\"}", "\x08\x00\x00\x02", "\x07\x00\x00\x0200000000")
	add("\x04\x00\x02\x00\x03\x02ch\x04echo\x00", "\x14\x08\x02\x00x", "\x15\x08\x02\x00x", "\x11\x00\x00\x03x", "\x12\x04\x00\x03x", "\x0c\x00\x00\x00")
	f.Fuzz(func(t *testing.T, program []byte) {
		h := newHouse(t, hub.Config{})
		p := h.join("p", echoing)
		p.provide("ch", "echo")
		evil := h.rawJoin()
		for len(program) >= 5 {
			n := min(int(program[4]), len(program)-5)
			hd := wire.Header{
				Kind: wire.Kind(program[0]), Flags: wire.Flags(program[1]), Codec: 1, Route: uint32(program[2]),
				ID: uint32(program[3]) | 1<<19, Bits: uint32(program[1]) << 2, Source: uint64(program[3]),
			}
			if evil.conn.Send(wire.AppendFrame(nil, hd, nil, program[5:5+n])) != nil {
				break
			}
			program = program[5+n:]
		}
		got, err := p.call("ch", "echo", "still here")
		if err != nil || got != "still here" {
			t.Fatal(got, err)
		}
	})
}
