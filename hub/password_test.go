// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// here is a source that always has the session of a party.
type here struct{ s *session.Session }

func (h here) Session(context.Context) (*session.Session, error) { return h.s, nil }

// channel is a client's handle on a channel.
func (p *party) channel(name string) *service.Channel {
	return service.NewChannel(here{p.s}, &service.Table{}, name)
}

func (p *party) protect(channel, password string) {
	p.t.Helper()
	must(p.t, p.channel(channel).SetPassword(p.t.Context(), password))
}

func (p *party) unlock(channel, password string) error {
	return p.channel(channel).Unlock(p.t.Context(), password)
}

// emitted emits, and returns why it was refused if it was.
func (p *party) emitted(b wire.Bind) error {
	r := p.s.Route(b)
	if err := p.emit(r, "x"); err != nil {
		return err
	}
	if err := p.s.Ping(p.t.Context()); err != nil { // a refusal comes before the answer
		return err
	}
	return p.emit(r, "x")
}

func (p *party) opened(name string, in any) error {
	x, err := p.s.Route(method(operation.Channel, name)).Open(p.t.Context(), wire.ServerStream, session.Message{Codec: json1, Payload: encoded(p.t, in)})
	if err != nil {
		return err
	}
	defer x.Cancel()
	_, err = x.Recv(p.t.Context(), nil)
	return err
}

// everything is all that can be done with the channel "ch", in which "owner" provides "echo" and has
// declared "t" and the shared "s".
var everything = []struct {
	name string
	do   func(p *party) error
	open status.Code // what it gives, unlocked, if not OK
}{
	{"call", func(p *party) error { _, err := p.call("ch", "echo", "x"); return err }, 0},
	{"call of nothing", func(p *party) error { _, err := p.call("ch", "none", "x"); return err }, status.NoProvider},
	{"stream", func(p *party) error {
		x, err := p.s.Route(method("ch", "echo")).Open(p.t.Context(), wire.ServerStream, session.Message{})
		if err == nil {
			_, err = x.Recv(p.t.Context(), nil)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	}, 0},
	{"call of a member", func(p *party) error {
		b := method("ch", "echo")
		b.Target = "owner"
		_, err := p.s.Route(b).Call(p.t.Context(), session.Message{}, nil)
		return err
	}, 0},
	{"send", func(p *party) error { return p.emitted(wire.Bind{Class: wire.ClassEvent, Channel: "ch", Name: "echo"}) }, 0},
	{"send to a member", func(p *party) error {
		return p.emitted(wire.Bind{Class: wire.ClassEvent, Channel: "ch", Name: "e", Target: "owner"})
	}, 0},
	{"broadcast", func(p *party) error {
		return p.emitted(wire.Bind{Class: wire.ClassBroadcast, Channel: "ch", Name: "e"})
	}, 0},
	{"publish", func(p *party) error { return p.emitted(wire.Bind{Class: wire.ClassTopic, Channel: "ch", Name: "s"}) }, 0},
	{"publish another's", func(p *party) error { return p.emitted(wire.Bind{Class: wire.ClassTopic, Channel: "ch", Name: "t"}) }, status.NotOwner},
	{"publish nothing", func(p *party) error { return p.emitted(wire.Bind{Class: wire.ClassTopic, Channel: "ch", Name: "u"}) }, status.Undeclared},
	{"subscribe", func(p *party) error {
		return p.opened(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: ">"})
	}, 0},
	{"watch", func(p *party) error { return p.opened(operation.Watch, operation.Place{Channel: "ch"}) }, 0},
	{"members", func(p *party) error { return p.op(operation.Members, operation.Place{Channel: "ch"}, nil) }, 0},
	{"explore", func(p *party) error { return p.op(operation.Explore, operation.Query{Channel: "ch"}, nil) }, 0},
	{"explore nothing", func(p *party) error { return p.op(operation.Explore, operation.Query{Channel: "ch", Name: "no"}, nil) }, status.NotFound},
	{"kick", func(p *party) error {
		return p.op(operation.Kick, operation.Eviction{Channel: "ch", Member: "nobody"}, nil)
	}, status.NotFound},
	{"password", func(p *party) error { return p.channel("ch").SetPassword(p.t.Context(), "mine now") }, status.NotOwner},
	{"no password", func(p *party) error { return p.channel("ch").SetPassword(p.t.Context(), "") }, status.NotOwner},
	{"provide what is taken", func(p *party) error {
		return p.op(operation.Provide, operation.Offer{Channel: "ch", Method: "echo"}, nil)
	}, status.AlreadyExists},
	{"leave", func(p *party) error { return p.op(operation.Leave, operation.Place{Channel: "ch"}, nil) }, status.NotFound},
	{"withdraw", func(p *party) error {
		return p.op(operation.Withdraw, operation.Offer{Channel: "ch", Method: "echo"}, nil)
	}, status.NotFound},
	{"retract", func(p *party) error { return p.op(operation.Retract, operation.Topic{Channel: "ch", Name: "t"}, nil) }, status.NotFound},
	{"join", func(p *party) error { return p.op(operation.Join, operation.Place{Channel: "ch"}, nil) }, 0},
	{"provide", func(p *party) error {
		return p.op(operation.Provide, operation.Offer{Channel: "ch", Method: p.s.ID()}, nil)
	}, 0},
	{"declare", func(p *party) error {
		return p.op(operation.Declare, operation.Topic{Channel: "ch", Name: p.s.ID()}, nil)
	}, 0},
}

// Weakness 2, and 3 and 11: a password guards every operation, for who has never given it, and for who has given the one
// before, also on routes that were bound when they were open. Who has given it may do what
// everybody may in an open channel.
func TestWeakness2PasswordGuardsEverything(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		owner := h.join("owner", &session.Config{Router: serve{calls: map[string]func(*session.Call){"echo": echo}, got: make(chan arrival, 1000)}})
		never, old, knows := h.join("never", nil), h.join("old", nil), h.join("knows", nil)
		before := h.join("before", nil)
		owner.provide("ch", "echo")
		owner.declare("ch", "t", false)
		owner.declare("ch", "s", true)
		run := func(p *party, why string, locked bool) {
			t.Helper()
			for _, e := range everything {
				err := e.do(p)
				switch {
				case locked:
					wantLocked(t, fmt.Sprintf("%s, %s", why, e.name), err)
				case e.open == status.OK && err != nil, e.open != status.OK && !errors.Is(err, e.open):
					t.Errorf("%s, %s: got %v, want %v", why, e.name, err, e.open)
				}
			}
		}
		run(before, "an open channel", false)
		owner.protect("ch", "first")
		run(before, "a member from before the password", true)
		run(never, "never unlocked", true)
		must(t, old.unlock("ch", "first"))
		run(old, "unlocked", false)
		owner.protect("ch", "second")
		run(old, "unlocked under the old password", true)
		wantCode(t, old.unlock("ch", "first"), status.Unauthenticated)
		must(t, knows.unlock("ch", "second"))
		run(knows, "unlocked", false)
		must(t, old.unlock("ch", "second"))
		run(old, "unlocked again", false)
		wantIDs(t, knows.memberIDs("ch"), "owner*", "knows", "old")

		var channels operation.ChannelList
		never.mustOp(operation.Channels, operation.Empty{}, &channels)
		if len(channels.Channels) != 0 {
			t.Fatalf("%+v", channels)
		}
		owner.protect("ch", "")
		run(never, "without a password again", false)
	})
}

func wantLocked(t testing.TB, what string, err error) {
	t.Helper()
	e := status.Convert(err)
	if err == nil || e.Code != status.Locked || !strings.Contains(e.Message, "channel ch has a password: unlock it first") || len(e.Details) > 0 {
		t.Errorf("%s: got %v, want locked", what, err)
	}
}

// Weakness 22: what was opened under an old password ends with it, with a reason: subscriptions,
// watches and calls with streams, but not those of who has set it.
func TestWeakness22NewPasswordEndsWhatIsOpen(t *testing.T) {
	h := newHouse(t, hub.Config{})
	running := make(chan struct{}, 8)
	stopped := make(chan error, 8)
	blocking := &session.Config{Router: serve{calls: map[string]func(*session.Call){"block": func(c *session.Call) {
		x, err := c.Stream()
		must(t, err)
		ctx := c.Context()
		running <- struct{}{}
		<-ctx.Done()
		stopped <- ctx.Err()
		_ = x
		c.Fail(ctx.Err())
	}}}}
	owner, member, guest := h.join("owner", blocking), h.join("member", blocking), h.join("guest", nil)
	owner.provide("ch", "block")
	member.provide("ch", "other")
	publications, watch, all := guest.subscribe("ch", ">"), mustWatch(guest, "ch"), mustWatch(guest, "")
	own, ownWatch := owner.subscribe("ch", ">"), mustWatch(owner, "ch")
	stream, err := guest.s.Route(method("ch", "block")).Open(t.Context(), wire.ServerStream, session.Message{})
	must(t, err)
	<-running
	owner.protect("ch", "secret")
	for _, x := range []*session.Stream{publications, watch, stream} {
		var err error
		for err == nil {
			_, err = x.Recv(patience(t), nil)
		}
		wantCode(t, err, status.Evicted)
		if !strings.Contains(err.Error(), "password of channel ch was set by its owner, owner") {
			t.Fatal(err)
		}
	}
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if n := next(t, ownWatch, operation.NoticeLeave); n.Member != "member" {
		t.Fatalf("%+v", n)
	}
	r := owner.declare("ch", "t", false)
	must(t, owner.emit(r, "x"))
	_, err = own.Recv(patience(t), nil)
	must(t, err)
	guest.joinChannel("open")
	for { // of the channel that is locked now a watch of all hears nothing
		n := next(t, all)
		if n.Channel == "open" {
			break
		}
		if n.Type == operation.NoticeDeclare || n.Type == operation.NoticeLeave {
			t.Fatalf("%+v", n)
		}
	}
}

func mustWatch(p *party, channel string) *session.Stream {
	p.t.Helper()
	x, _ := p.open(operation.Watch, operation.Place{Channel: channel})
	return x
}

// A password that is set comes with its channel, which nobody else can have been in before.
func TestPasswordMakesTheChannel(t *testing.T) {
	h := newHouse(t, hub.Config{})
	a, b := h.join("a", nil), h.join("b", nil)
	early := b.subscribe("ch", ">")
	a.protect("ch", "secret")
	_, err := early.Recv(patience(t), nil)
	wantCode(t, err, status.Evicted)
	wantIDs(t, a.memberIDs("ch"), "a*")
	wantCode(t, b.op(operation.Join, operation.Place{Channel: "ch"}, nil), status.Locked)
	a.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil) // the channel ends, and its password with it
	b.joinChannel("ch")
	wantCode(t, b.channel("none").SetPassword(t.Context(), ""), status.NotFound)
	wantCode(t, b.channel("$x").SetPassword(t.Context(), "p"), status.InvalidArgument)
	wantCode(t, b.unlock("a..b", "p"), status.InvalidArgument)
}

// Weakness 5: a preset password is not to be replaced, by nobody and never, and outlives its
// channel; system channels are nobody's.
func TestWeakness5PresetsStay(t *testing.T) {
	h := newHouse(t, hub.Config{Passwords: map[string]string{"vault": "from the configuration"}})
	a, b := h.join("a", nil), h.join("b", nil)
	wantCode(t, a.channel("vault").SetPassword(t.Context(), "mine"), status.Locked)
	wantCode(t, a.op(operation.Join, operation.Place{Channel: "vault"}, nil), status.Locked)
	must(t, a.unlock("vault", "from the configuration"))
	wantCode(t, a.channel("vault").SetPassword(t.Context(), "mine"), status.PermissionDenied)
	a.joinChannel("vault")
	for _, password := range []string{"mine", ""} {
		wantCode(t, a.channel("vault").SetPassword(t.Context(), password), status.PermissionDenied)
	}
	a.mustOp(operation.Leave, operation.Place{Channel: "vault"}, nil)
	wantCode(t, b.op(operation.Join, operation.Place{Channel: "vault"}, nil), status.Locked)
	must(t, b.unlock("vault", "from the configuration"))
	for _, name := range []string{"$", "$logs", "$events"} {
		wantCode(t, a.channel(name).SetPassword(t.Context(), "mine"), status.InvalidArgument)
	}
}

// Weakness 11: guessing is slowed down for an identity, over all its sessions, and nobody
// learns which channels have a password by trying.
func TestWeakness11Guessing(t *testing.T) {
	var now atomic.Int64
	h := newHouse(t, hub.Config{
		Now: func() time.Time { return time.Unix(1000, now.Load()) }, Passwords: map[string]string{"vault": "right"},
	})
	h.join("", nil).joinChannel("open")
	said := make(map[string]bool)
	guess := func(channel, password string) error { return h.join("", nil).unlock(channel, password) } // each on a new session
	for _, channel := range []string{"vault", "open", "nothing"} {
		err := guess(channel, "wrong")
		wantCode(t, err, status.Unauthenticated)
		said[strings.ReplaceAll(err.Error(), channel, "X")] = true
	}
	if len(said) != 1 {
		t.Fatalf("what is said tells channels apart: %v", said)
	}
	wait := time.Second
	for range 8 {
		err := guess("vault", "wrong")
		wantCode(t, err, status.Unauthenticated)
		if got := service.RetryAfter(err); got != wait {
			t.Fatalf("told to wait %v, not %v", got, wait)
		}
		err = guess("vault", "right") // it is not looked at
		wantCode(t, err, status.LimitExceeded)
		if got := service.RetryAfter(err); got != wait {
			t.Fatalf("told to wait %v, not %v", got, wait)
		}
		now.Add(int64(wait))
		wait = min(2*wait, time.Minute)
	}
	must(t, guess("vault", "right"))
	wantCode(t, guess("vault", "wrong"), status.Unauthenticated) // a success has made nothing forgotten
	wantCode(t, guess("vault", "right"), status.LimitExceeded)
	now.Add(int64(12 * time.Minute))
	wantCode(t, guess("vault", "wrong"), status.Unauthenticated)
	must(t, guess("vault", "right"))
}

// Weakness 7: neither the password nor anything that does instead of it travels, a proof is
// good for one session only, and a hub that does not have the password is found out.
func TestWeakness7ProofsAreBound(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner, a, b := h.join("owner", nil), h.join("a", nil), h.join("b", nil)
	v, keys, err := scram.New("secret")
	must(t, err)
	owner.mustOp(operation.Password, operation.Protection{Channel: "ch", Verifier: (*operation.Verifier)(&v)}, nil)
	nonce := []byte("0123456789abcdef0123")
	prove := func(p *party, channel string) operation.Unlocking {
		in := operation.Unlocking{Channel: channel, Nonce: nonce}
		var c operation.Unlocked
		p.mustOp(operation.Unlock, in, &c)
		in.Proof = keys.Prove(&scram.Exchange{
			Transcript: p.s.Transcript(), Channel: channel, ClientNonce: nonce, HubNonce: c.Nonce, Salt: v.Salt, Iterations: v.Iterations,
		})
		return in
	}
	wantCode(t, b.op(operation.Unlock, prove(a, "ch"), nil), status.Unauthenticated)
	other := prove(a, "other")
	other.Channel = "ch"
	wantCode(t, a.op(operation.Unlock, other, nil), status.Unauthenticated)
	a.mustOp(operation.Unlock, prove(a, "ch"), nil)
	owner.mustOp(operation.Kick, operation.Eviction{Channel: "ch", Member: func() string { a.joinChannel("ch"); return "a" }()}, nil)
	wantCode(t, a.op(operation.Members, operation.Place{Channel: "ch"}, nil), status.Locked)

	for _, bad := range []operation.Verifier{
		{}, {Salt: v.Salt, Iterations: 1, StoredKey: v.StoredKey, ServerKey: v.ServerKey}, {Salt: v.Salt[:3], Iterations: v.Iterations, StoredKey: v.StoredKey, ServerKey: v.ServerKey},
		{Salt: v.Salt, Iterations: v.Iterations, StoredKey: v.StoredKey[:31], ServerKey: v.ServerKey},
	} {
		wantCode(t, owner.op(operation.Password, operation.Protection{Channel: "ch", Verifier: &bad}, nil), status.InvalidArgument)
	}
	wantCode(t, owner.op(operation.Unlock, operation.Unlocking{Channel: "ch", Nonce: []byte("short")}, nil), status.InvalidArgument)
}

// Who was kicked may not come back under the same session for a minute, however often it asks; it
// may with a new one, unless the password has been changed.
func TestKickedStaysOutside(t *testing.T) {
	var now atomic.Int64
	h := newHouse(t, hub.Config{Now: func() time.Time { return time.Unix(1000, now.Load()) }})
	owner, a := h.join("owner", nil), h.join("a", nil)
	owner.joinChannel("ch")
	a.joinChannel("ch")
	owner.mustOp(operation.Kick, operation.Eviction{Channel: "ch", Member: "a"}, nil)
	for _, back := range []func() error{
		func() error { return a.op(operation.Join, operation.Place{Channel: "ch"}, nil) },
		func() error { return a.op(operation.Provide, operation.Offer{Channel: "ch", Method: "m"}, nil) },
		func() error { return a.op(operation.Declare, operation.Topic{Channel: "ch", Name: "t"}, nil) },
	} {
		err := back()
		wantCode(t, err, status.Evicted)
		if service.RetryAfter(err) != time.Minute {
			t.Fatal(err)
		}
	}
	a.joinChannel("another")
	h.join("", nil).joinChannel("ch")
	now.Add(int64(time.Minute))
	a.joinChannel("ch")
}

// Weakness 16, and 12: who has given the password gets publications, streams and bytes as in an open
// channel, and has given it for as long as the session lasts.
func TestWeakness16ProtectedChannelsWork(t *testing.T) {
	var now atomic.Int64
	h := newHouse(t, hub.Config{Now: func() time.Time { return time.Unix(1000, now.Load()) }})
	owner, p := h.join("owner", &session.Config{Router: streaming.Router}), h.join("p", nil)
	owner.protect("ch", "secret")
	owner.provide("ch", "count")
	topic := owner.declare("ch", "t", false)
	must(t, p.unlock("ch", "secret"))
	sub := p.subscribe("ch", ">")
	for range 2 {
		must(t, owner.emit(topic, "\x00\xff"))
		item, err := sub.Recv(patience(t), nil)
		must(t, err)
		if string(item.Payload) != "\x00\xff" {
			t.Fatalf("%q", item.Payload)
		}
		x, err := p.s.Route(method("ch", "count")).Open(t.Context(), wire.ServerStream, session.Message{})
		must(t, err)
		if item, err = x.Recv(patience(t), nil); err != nil || string(item.Payload) != "\x01\xfe" {
			t.Fatalf("%q %v", item.Payload, err)
		}
		now.Add(int64(48 * time.Hour))
	}
}

var streaming = &session.Config{Router: serve{calls: map[string]func(*session.Call){"count": func(c *session.Call) {
	x, err := c.Stream()
	if err == nil {
		err = x.Send(c.Context(), session.Message{Payload: []byte("\x01\xfe")})
	}
	if err != nil {
		c.Fail(err)
		return
	}
	c.Reply(session.Message{})
}}}}

// The end of a channel with a password is told to those who have it, member by member, and to nobody else.
func TestEndOfAProtectedChannelIsNotTold(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner, member, other := h.join("owner", nil), h.join("member", nil), h.join("other", nil)
	owner.protect("ch", "secret")
	must(t, member.unlock("ch", "secret"))
	member.joinChannel("ch")
	all, inside := mustWatch(other, ""), mustWatch(member, "")
	owner.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil)
	other.joinChannel("after")
	if n := next(t, all); n.Channel != "after" {
		t.Fatalf("%+v", n)
	}
	for _, want := range []string{"owner", "member"} {
		if n := next(t, inside, operation.NoticeLeave); n.Member != want {
			t.Fatalf("%+v", n)
		}
	}
}
