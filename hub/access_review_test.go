// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// ending returns why a stream has ended.
func ending(t testing.TB, x *session.Stream) error {
	t.Helper()
	for {
		if _, err := x.Recv(patience(t), nil); err != nil {
			return err
		}
	}
}

// under is a call that is under way, whose end goes to the channel.
func (p *party) under(name string) chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := p.s.Route(method("ch", name)).Call(patience(p.t), session.Message{}, nil)
		ended <- err
	}()
	return ended
}

// Fault case 23 and 40: the sessions of who is on the list no more end, with what they have.
func TestAccessReviewEndsSessions(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("a", "*", ""), rule("b", "*", ""))})
	a, b := h.enter("a", nil), h.enter("b", nil)
	b.joinChannel("ch")
	x := a.subscribe("ch", ">")
	a.joinChannel("ch")
	if r := h.h.SetAccess(access(t, rule("b", "*", ""))); r.Sessions != 1 || r.Memberships != 1 {
		t.Fatalf("%+v", r)
	}
	err := ending(t, x)
	if status.CodeOf(err) != status.PermissionDenied {
		t.Fatal(err)
	}
	<-a.s.Done()
	if err := a.s.Err(); status.CodeOf(err) != status.PermissionDenied || !strings.Contains(err.Error(), "has no rights") {
		t.Fatal(err)
	}
	wantIDs(t, b.memberIDs("ch"), "b*")
	if b.s.Err() != nil {
		t.Fatal(b.s.Err())
	}
}

// What is there is judged anew, each by itself, and all by one change: who may nothing in the
// channel any more is out of it.
func TestAccessReviewOfAChannel(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("*", "*", ""))})
	got := make(chan arrival, 100)
	owner := h.enter("owner", &session.Config{Router: serve{calls: map[string]func(*session.Call){"echo": echo}, got: got}})
	owner.provide("ch", "echo")
	owner.declare("ch", "t", false)
	heard := make(chan arrival, 100)
	p := h.enter("p", &session.Config{Router: serve{calls: map[string]func(*session.Call){"mine": echo}, got: heard}})
	p.provide("ch", "mine")
	shared := p.declare("ch", "s", true)
	must(t, p.emit(shared, "x"))
	one, all, watch, everything := p.subscribe("ch", "t"), p.subscribe("ch", ">"), mustWatch(p, "ch"), mustWatch(p, "")
	send, cast := p.event("ch", "echo", ""), p.broadcast("ch", "note")
	must(t, p.emit(send, "1"))
	must(t, p.emit(cast, "2"))
	_, err := p.call("ch", "echo", "x")
	must(t, err)
	<-got
	<-got

	r := h.h.SetAccess(access(t, rule("owner", "*", ""), rule("p", "*", "elsewhere")))
	if r != (hub.Review{Memberships: 1, Subscriptions: 0, Publishers: r.Publishers}) {
		t.Logf("%+v", r) // the feeds went with the membership
	}
	for what, x := range map[string]*session.Stream{"a topic": one, "a pattern": all, "a watch": watch} {
		if err := ending(t, x); status.CodeOf(err) != status.PermissionDenied {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = p.call("ch", "echo", "x")
	wantForbidden(t, "call", err)
	must(t, p.s.Ping(t.Context()))
	for what, route := range map[string]*session.Route{"publish": shared, "send": send, "broadcast": cast} {
		err := p.emit(route, "y")
		if err == nil {
			must(t, p.s.Ping(t.Context()))
			err = p.emit(route, "y")
		}
		if c := status.CodeOf(err); c != status.PermissionDenied && c != status.Undeclared {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err = owner.call("ch", "mine", "x"); status.CodeOf(err) != status.NoProvider {
		t.Fatal(err)
	}
	wantIDs(t, owner.memberIDs("ch"), "owner*")
	must(t, owner.emit(owner.broadcast("ch", "note"), "3"))
	must(t, owner.s.Ping(t.Context()))
	p.joinChannel("elsewhere")
	for next(t, everything).Channel != "elsewhere" { // notices from before the change
	}
	must(t, p.s.Ping(t.Context()))
	if len(heard) > 0 || len(got) > 0 {
		t.Fatalf("%v, %v", heard, got)
	}
}

// Each right that goes takes with it what it was for, and nothing else.
func TestAccessReviewOfEachRight(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("*", "*", ""))})
	p, q := h.enter("p", echoing), h.enter("q", echoing)
	q.joinChannel("ch")
	p.provide("ch", "echo", "keep")
	p.declare("ch", "gone", false)
	p.declare("ch", "keep", true)
	gone, keep := p.topic("ch", "gone"), p.topic("ch", "keep")
	must(t, p.emit(gone, "x"))
	must(t, p.emit(keep, "x"))
	w := mustWatch(q, "ch")
	r := h.h.SetAccess(access(t, rule("*", "*", ""), rule("p", "!provide", "ch/echo"), rule("p", "!declare", "ch/gone"), rule("p", "!publish", "ch/keep")))
	if r != (hub.Review{Methods: 1, Topics: 1, Publishers: 1}) {
		t.Fatalf("%+v", r)
	}
	if n := next(t, w, operation.NoticeWithdraw); n.Name != "echo" || n.Member != "p" {
		t.Fatalf("%+v", n)
	}
	if n := next(t, w, operation.NoticeRetract); n.Name != "gone" {
		t.Fatalf("%+v", n)
	}
	_, err := q.call("ch", "echo", "x")
	wantCode(t, err, status.NoProvider)
	b := method("ch", "echo")
	b.Target = "p"
	_, err = q.s.Route(b).Call(t.Context(), session.Message{}, nil)
	wantCode(t, err, status.NoProvider)
	must(t, p.s.Ping(t.Context()))
	wantForbidden(t, "publish", p.emit(keep, "x"))
	wantCode(t, p.emit(gone, "x"), status.Undeclared)
	h.h.SetAccess(nil)
	must(t, p.emit(keep, "x")) // bound anew
	p.provide("ch", "echo")
	_, err = q.call("ch", "echo", "x")
	must(t, err)
}

// Calls and streams that are under way end for both: the caller is told, the handler cancelled.
func TestAccessReviewOfCalls(t *testing.T) {
	for _, c := range []struct {
		name string
		lost string // by whom
		verb string
		want status.Code
	}{{"caller", "c", "call", status.PermissionDenied}, {"provider", "p", "provide", status.Unavailable}} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, hub.Config{Access: access(t, rule("*", "*", ""))})
			running, stopped := make(chan struct{}, 10), make(chan struct{}, 10)
			stubborn := make(chan struct{})
			p := h.enter("p", router(map[string]func(*session.Call){
				"block": func(c *session.Call) {
					running <- struct{}{}
					<-c.Context().Done()
					stopped <- struct{}{}
					c.Fail(c.Context().Err())
				},
				"deaf": func(c *session.Call) {
					running <- struct{}{}
					<-stubborn
					c.Reply(session.Message{Payload: []byte("late")})
				},
				"other": block(running),
			}))
			p.provide("ch", "block", "deaf", "other")
			p.mustOp(operation.Provide, operation.Offer{Channel: "ch", Method: "pooled", Sharing: operation.Sharing{Group: "g", Capacity: 1}}, nil)
			caller := h.enter("c", nil)
			x, err := caller.s.Route(method("ch", "block")).Open(t.Context(), wire.ServerStream, session.Message{})
			must(t, err)
			blocked, deaf, other := caller.under("block"), caller.under("deaf"), caller.under("other")
			for range 4 {
				<-running
			}
			r := h.h.SetAccess(access(t, rule("*", "*", ""), rule(c.lost, "!"+c.verb, "ch/block"), rule(c.lost, "!"+c.verb, "ch/deaf")))
			if r.Calls != 3 {
				t.Fatalf("%+v", r)
			}
			for what, err := range map[string]error{"stream": ending(t, x), "call": <-blocked, "call that does not end": <-deaf} {
				if status.CodeOf(err) != c.want {
					t.Errorf("%s: %v", what, err)
				}
			}
			<-stopped
			<-stopped
			again := caller.under("other") // in a slot that was used before
			<-running
			close(stubborn)
			must(t, p.s.Ping(t.Context()))
			select {
			case err := <-again:
				t.Fatalf("the answer of another call ended it: %v", err)
			case err := <-other:
				t.Fatalf("a call that is allowed has ended: %v", err)
			default:
			}
			p.s.Close()
			wantCode(t, <-again, status.PeerGone)
			wantCode(t, <-other, status.PeerGone)
		})
	}
}

// Calls that wait for a provider of a group end, the seats of who may not provide are free, and
// what others do goes on.
func TestAccessReviewOfGroups(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("*", "*", ""))})
	running, let := make(chan string, 10), make(chan struct{})
	worker := func(id string) *party {
		p := h.enter(id, router(map[string]func(*session.Call){"job": func(c *session.Call) {
			running <- id
			select {
			case <-let:
				c.Reply(session.Message{Payload: []byte(id)})
			case <-c.Context().Done():
				c.Fail(c.Context().Err())
			}
		}}))
		p.share("job", operation.Sharing{Group: "g", Capacity: 1})
		return p
	}
	worker("w1")
	worker("w2")
	c, d := h.enter("c", nil), h.enter("d", nil)
	var calls []chan error
	for range 2 {
		calls = append(calls, d.under("job"))
		<-running
	}
	waiting := c.under("job")
	for h.h.Status().Waiting == 0 {
		must(t, c.s.Ping(t.Context()))
	}
	more := d.under("job")
	for h.h.Status().Waiting < 2 {
		must(t, d.s.Ping(t.Context()))
	}
	r := h.h.SetAccess(access(t, rule("*", "*", ""), rule("c", "!call", "ch"), rule("w1", "!provide", "")))
	if r.Calls != 2 || r.Methods != 1 {
		t.Fatalf("%+v", r)
	}
	wantForbidden(t, "waiting", <-waiting)
	close(let)
	var codes []status.Code
	for _, x := range append(calls, more) {
		codes = append(codes, status.CodeOf(<-x))
	}
	if !(codes[0] == status.Unavailable && codes[1] == status.OK || codes[0] == status.OK && codes[1] == status.Unavailable) || codes[2] != status.OK {
		t.Fatal(codes)
	}
	for range 4 { // all seats are right: only w2 serves, one after the other
		got, err := d.call("ch", "job", "")
		if err != nil || got != "w2" {
			t.Fatal(got, err)
		}
	}
	if i := d.explore("job"); i.Active != 0 || i.Waiting != 0 || len(i.Providers) != 1 {
		t.Fatalf("%+v", i)
	}
}

// What waits for a subscription does not come any more: nothing of one that ends, and of a
// pattern what is still allowed, with a gap where the rest was.
func TestAccessReviewOfQueues(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("*", "*", ""))})
	owner, p := h.enter("owner", nil), h.enter("p", nil)
	open, secret := owner.declare("ch", "open", false), owner.declare("ch", "secret.a", false)
	all, one := p.subscribe("ch", ">"), p.subscribe("ch", "secret.a")
	stall(p, true)
	for i := range 200 {
		must(t, owner.emit(open, fmt.Sprint("open ", i, strings.Repeat(".", 2000))))
		must(t, owner.emit(secret, fmt.Sprint("secret ", i, strings.Repeat(".", 2000))))
	}
	must(t, owner.s.Ping(t.Context()))
	if h.h.Status().Queued == 0 {
		t.Fatal("nothing waits")
	}
	h.h.SetAccess(access(t, rule("*", "*", ""), rule("p", "!subscribe", "ch/secret.>")))
	must(t, owner.emit(secret, "secret after"))
	must(t, owner.emit(open, "open after"))
	must(t, owner.s.Ping(t.Context()))
	barred := h.h.Status().Dropped["barred"]
	stall(p, false)
	secrets, gaps := 0, 0
	for {
		item, err := all.Recv(patience(t), nil)
		must(t, err)
		switch text := string(item.Payload); {
		case text == "open after":
			if secrets >= 200 || gaps == 0 || barred == 0 {
				t.Fatalf("%d secrets, %d gaps, %d barred", secrets, gaps, barred)
			}
			if err := ending(t, one); status.CodeOf(err) != status.PermissionDenied {
				t.Fatal(err)
			}
			balance(t, h)
			return
		case text == "secret after":
			t.Fatal("what was published after the change has come")
		case strings.HasPrefix(text, "secret"):
			secrets++ // that the session had before
		case item.From.Name == "":
			gaps++
		}
	}
}

// A guest is judged as the bridge that carries it.
func TestAccessOfGuests(t *testing.T) {
	h := newHouse(t, hub.Config{Bridges: func(auth.Identity) bool { return true }, Access: access(t, rule("link", "*", ""), rule("owner", "*", ""))})
	owner := h.enter("owner", echoing)
	link := h.as(token("link")).join("link", &session.Config{Features: []string{operation.FeatureBridge}})
	owner.provide("ch", "echo")
	link.mustOp(operation.Link, operation.LinkState{Routes: []operation.Reach{{Hub: "west", Path: []string{"west"}, Cost: 1 << 32}}}, nil)
	guest := h.join("alice@west", &session.Config{Features: []string{operation.FeatureBridge}, Metadata: map[string]string{operation.MetaLink: "link"}})
	_, err := guest.call("ch", "echo", "x")
	must(t, err)
	x := guest.subscribe("ch", ">")
	h.h.SetAccess(access(t, rule("link", "subscribe", ""), rule("owner", "*", "")))
	_, err = guest.call("ch", "echo", "x")
	wantForbidden(t, "call", err)
	h.h.SetAccess(access(t, rule("owner", "*", "")))
	if err := ending(t, x); status.CodeOf(err) != status.PermissionDenied {
		t.Fatal(err)
	}
	<-guest.s.Done()
	<-link.s.Done()
}

// While the list changes again and again, others publish, send, call, join and subscribe: what is
// sent after SetAccess has returned does not reach who may not have it, and calls of who may not
// fail.
func TestAccessChangesUnderLoad(t *testing.T) {
	all := access(t, rule("*", "*", ""))
	closed := access(t, rule("owner", "*", ""), rule("*", "*", "open"))
	partly := access(t, rule("owner", "*", ""), rule("*", "*", "open"), rule("*", "subscribe", "ch/open.*"))
	h := newHouse(t, hub.Config{Access: all})
	owner := h.enter("owner", router(map[string]func(*session.Call){"echo": echo}))
	owner.provide("ch", "echo")
	topic := owner.declare("ch", "secret", false)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		got := make(chan arrival, 1000)
		p := h.enter(fmt.Sprint("p", i), &session.Config{Router: serve{got: got}})
		pattern := []string{">", "secret"}[i%2]
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = p.op(operation.Join, operation.Place{Channel: "ch"}, nil)
				_, _ = p.call("ch", "echo", "x")
				for len(got) > 0 {
					if a := <-got; strings.HasPrefix(a.payload, "after") {
						t.Error("heard a broadcast")
					}
				}
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				x, err := p.s.Route(method(operation.Channel, operation.Subscribe)).Open(ctx, wire.ServerStream,
					session.Message{Codec: json1, Payload: encoded(t, operation.Subscription{Channel: "ch", Pattern: pattern})})
				for err == nil {
					var item session.Item
					if item, err = x.Recv(ctx, nil); err == nil && strings.HasPrefix(string(item.Payload), "after") {
						t.Error("heard a secret")
						return
					}
				}
			}
		})
	}
	stranger := h.enter("stranger", nil)
	cast := owner.broadcast("ch", "note")
	began := time.Now()
	rounds := 0
	for ; rounds < 400 && time.Since(began) < 10*time.Second; rounds++ {
		list := closed
		if rounds%2 == 0 {
			list = partly
		}
		h.h.SetAccess(list)
		must(t, owner.emit(topic, "after"))
		if list == closed { // else they may be in the channel
			must(t, owner.emit(cast, "after"))
		}
		if _, err := stranger.call("ch", "echo", "x"); status.CodeOf(err) != status.PermissionDenied {
			t.Fatal(err)
		}
		must(t, owner.s.Ping(t.Context()))
		h.h.SetAccess(all)
		must(t, owner.emit(topic, "for all"))
		must(t, owner.emit(cast, "for all"))
	}
	cancel()
	wg.Wait()
	t.Logf("%d changes", 2*rounds)
}

// A list that changes in the moment in which calls begin: each does not begin, or it ends.
func TestNoCallSlipsThroughAccess(t *testing.T) {
	h := newHouse(t, hub.Config{Access: access(t, rule("*", "*", ""))})
	p := h.enter("p", router(map[string]func(*session.Call){"block": func(c *session.Call) {
		<-c.Context().Done()
		c.Fail(c.Context().Err())
	}}))
	p.provide("ch", "block")
	callers := []*party{h.as(token("c")).join("", nil), h.join("", nil), h.join("", nil)}
	all, no, none := access(t, rule("*", "*", "")), access(t, rule("*", "*", ""), rule("c", "!call", "ch")), access(t, rule("*", "*", ""), rule("p", "!provide", "ch"))
	const each = 4
	ended := make(chan error, each*len(callers))
	for i := range 200 {
		for n := range cap(ended) {
			r := callers[n%len(callers)].s.Route(method("ch", "block"))
			go func() {
				if n%4 > 0 {
					_, err := r.Call(patience(t), session.Message{}, nil)
					ended <- err
					return
				}
				x, err := r.Open(t.Context(), wire.ServerStream, session.Message{})
				if err == nil {
					_, err = x.Recv(patience(t), nil)
				}
				ended <- err
			}()
		}
		list := no
		if i%4 == 3 {
			list = none
		}
		for range i % 40 {
			runtime.Gosched()
		}
		h.h.SetAccess(list)
		for range cap(ended) {
			if err := <-ended; status.CodeOf(err) != status.PermissionDenied && status.CodeOf(err) != status.Unavailable && status.CodeOf(err) != status.NoProvider {
				t.Fatal(i, err)
			}
		}
		h.h.SetAccess(all)
		if list == none {
			p.provide("ch", "block")
		}
	}
}

// A subscriber for whom messages wait while the hub drains gets no more of them once the list does
// not let it have them.
func TestAccessChangesWhileDraining(t *testing.T) {
	eachPipe(t, hub.Config{MaxQueue: 20_000, Access: access(t, rule("*", "*", ""))}, func(t *testing.T, h *house) {
		h.as(token("slow"))
		slow := h.join("slow", &session.Config{StreamWindow: 4096})
		x, queued := waiting(t, h, slow, 10_000)
		if queued == 0 {
			t.Fatal("nothing waits")
		}
		done := make(chan error, 1)
		go func() {
			_, err := h.h.Drain(patience(t))
			done <- err
		}()
		slow.awaitDrain()
		r := h.h.SetAccess(access(t, rule("*", "*", ""), rule("slow", "!subscribe", "")))
		if r.Subscriptions != 1 || r.Sessions != 0 {
			t.Errorf("%+v", r)
		}
		wantForbidden(t, "the end", ending(t, x))
		must(t, <-done)
		if r := h.h.DrainReport(); r.Undelivered == 0 {
			t.Errorf("%+v", r)
		}
	})
}
