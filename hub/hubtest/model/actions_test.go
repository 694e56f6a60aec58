// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"pgregory.net/rapid"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// most is how many members there are at a time.
const most = 20

// pick draws one of some values; the action is skipped if there are none.
func pick[T any](t *rapid.T, what string, of []T) T {
	if len(of) == 0 {
		t.Skip("no " + what)
	}
	return of[rapid.IntRange(0, len(of)-1).Draw(t, what)]
}

// some returns the members that f accepts, in a steady order.
func (w *world) some(f func(*member) bool) []*member {
	var all []*member
	for _, id := range slices.Sorted(maps.Keys(w.members)) {
		if m := w.members[id]; f(m) {
			all = append(all, m)
		}
	}
	return all
}

// actor draws a member that can do something.
func (w *world) actor(t *rapid.T) *member {
	return pick(t, "actor", w.some(func(m *member) bool { return !m.stalled }))
}

// likely draws one of the pairs that lead somewhere, mostly, and any pair sometimes: of a
// channel and a name.
func likely(t *rapid.T, names []string, leads func(ch, name string) bool) (ch, name string) {
	var some [][2]string
	for _, ch := range channels {
		for _, name := range names {
			if leads(ch, name) {
				some = append(some, [2]string{ch, name})
			}
		}
	}
	if len(some) > 0 && rapid.IntRange(0, 4).Draw(t, "astray") < 4 {
		at := pick(t, "place", some)
		return at[0], at[1]
	}
	return channel(t), pick(t, "name", names)
}

func channel(t *rapid.T) string { return pick(t, "channel", channels) }

// expect compares what the hub has answered with what the model says.
func (w *world) expect(err error, want status.Code, doing string, args ...any) {
	w.Helper()
	if !is(err, want) {
		w.Fatalf("%s: got %v, want %v", fmt.Sprintf(doing, args...), err, want)
	}
}

// actions are all there are.
func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"connect": w.connect, "connect more": w.connect, "join": w.join, "join more": w.join, "leave": w.leave, "kick": w.kick, "cut": w.cut, "close": w.close,
		"stall": w.stall, "resume": w.resume, "reconnect": w.reconnect,
		"provide": w.provide, "provide more": w.provide, "withdraw": w.withdraw, "declare": w.declare, "declare more": w.declare, "retract": w.retract,
		"subscribe": w.subscribe, "subscribe more": w.subscribe, "unsubscribe": w.unsubscribe, "publish": w.publish, "publish more": w.publish,
		"send": w.send, "broadcast": w.broadcast, "call": w.call, "call more": w.call, "cancel": w.cancel, "release": w.answer, "stream": w.stream,
		"": w.check,
	}
}

func (w *world) connect(t *rapid.T) {
	if len(w.members) >= most {
		t.Skip("enough members")
	}
	id := fmt.Sprintf("m%d", rapid.IntRange(0, most-1).Draw(t, "id"))
	if w.members[id] != nil {
		again := w.h.Dial(id)
		w.expect(again.Connect(t.Context()), status.AlreadyExists, "a second %s", id)
		again.Client.Close()
		return
	}
	w.attach(id)
}

func (w *world) join(t *rapid.T) {
	m, ch := w.actor(t), channel(t)
	j, err := m.Channel(ch).Join(t.Context())
	w.expect(err, status.OK, "%s joins %s", m.id, ch)
	w.rules.join(ch, m.id)
	if owner := w.rules.rooms[ch].order[0]; j.Owner != owner || j.ID != m.id || j.Members != len(w.rules.rooms[ch].order) {
		w.Fatalf("%s joined %+v, want owner %s", m.id, j, owner)
	}
}

func (w *world) leave(t *rapid.T) {
	m, ch := w.actor(t), channel(t)
	want := status.OK
	if !w.rules.in(ch, m.id) {
		want = status.NotFound
	}
	w.expect(m.Channel(ch).Leave(t.Context()), want, "%s leaves %s", m.id, ch)
	if want == status.OK {
		w.depart(w.rules.leave(ch, m.id), status.Closed)
	}
}

func (w *world) kick(t *rapid.T) {
	m, ch := w.actor(t), channel(t)
	if c := w.rules.rooms[ch]; c != nil && rapid.Bool().Draw(t, "by the owner") && !w.members[c.order[0]].stalled {
		m = w.members[c.order[0]]
	}
	whom := pick(t, "whom", w.some(func(*member) bool { return true }))
	want := w.rules.mayKick(ch, m.id, whom.id)
	err := m.Channel(ch).Operate(t.Context(), operation.Kick, operation.Eviction{Channel: ch, Member: whom.id}, nil)
	w.expect(err, want, "%s kicks %s out of %s", m.id, whom.id, ch)
	if want == status.OK {
		w.depart(w.rules.leave(ch, whom.id), status.Evicted)
	}
}

// depart ends the subscriptions of those who have left a channel, and all of one that ended.
func (w *world) depart(gone []departure, first status.Code) {
	for _, m := range w.members {
		for _, s := range m.subs {
			switch {
			case s.ended != status.OK || s.channel != gone[0].channel:
			case m.id == gone[0].member:
				s.ended = first
			case gone[0].ended:
				s.ended = status.Terminated
			}
		}
	}
}

// gone takes a member out of everything.
func (w *world) gone(m *member) {
	for _, ch := range w.rules.places(m.id) {
		w.depart(w.rules.leave(ch, m.id), status.PeerGone)
	}
	for _, c := range w.calls {
		c.lost = c.lost || c.provider == m.id
		c.orphan = c.orphan || c.caller == m.id
	}
	delete(w.members, m.id)
}

func (w *world) cut(t *rapid.T) {
	if len(w.members) < 4 {
		t.Skip("too few members")
	}
	m := pick(t, "victim", w.some(func(*member) bool { return true }))
	m.Cut()
	m.Gone()
	w.gone(m)
}

func (w *world) close(t *rapid.T) {
	if len(w.members) < 4 {
		t.Skip("too few members")
	}
	m := w.actor(t)
	for _, c := range w.calls { // Close waits for handlers
		if c.provider == m.id && w.held(c.key) {
			w.release(c.key)
			c.released = true
		}
	}
	w.settle()
	w.checkCalls()
	m.Client.Close()
	m.Gone()
	w.gone(m)
}

// reconnect is a cut, and the same member again.
func (w *world) reconnect(t *rapid.T) {
	m := pick(t, "victim", w.some(func(*member) bool { return true }))
	m.Cut()
	m.Gone()
	w.gone(m)
	w.attach(m.id)
}

func (w *world) stall(t *rapid.T) {
	m := w.actor(t)
	m.stalled, m.hears.slow = true, true
	for _, s := range m.subs {
		s.slow = true
	}
	m.Stall()
}

func (w *world) resume(t *rapid.T) {
	m := pick(t, "stalled", w.some(func(m *member) bool { return m.stalled }))
	m.stalled = false
	m.Resume()
}

func (w *world) provide(t *rapid.T) {
	m, ch, name := w.actor(t), channel(t), pick(t, "method", methods)
	at := [2]string{ch, name}
	if old := m.offers[at]; old != nil {
		if c := w.rules.rooms[ch]; c != nil && c.methods[name] == m.id {
			_, err := m.Channel(ch).Offer(t.Context(), name, terms(name), w.serve(m.id, name))
			w.expect(err, status.AlreadyExists, "%s provides %s/%s twice", m.id, ch, name)
			return
		}
		_ = old.Close(t.Context()) // left the channel since
		delete(m.offers, at)
	}
	reg, err := m.Channel(ch).Offer(t.Context(), name, terms(name), w.serve(m.id, name))
	w.expect(err, w.rules.provide(ch, name, m.id), "%s provides %s/%s", m.id, ch, name)
	if err == nil {
		m.offers[at] = reg
	}
}

func (w *world) withdraw(t *rapid.T) {
	m, ch, name := w.actor(t), channel(t), pick(t, "method", methods)
	want := w.rules.withdraw(ch, name, m.id)
	at := [2]string{ch, name}
	if reg := m.offers[at]; reg != nil {
		delete(m.offers, at)
		w.expect(reg.Close(t.Context()), want, "%s withdraws %s/%s", m.id, ch, name)
		return
	}
	err := m.Channel(ch).Operate(t.Context(), operation.Withdraw, operation.Offer{Channel: ch, Method: name}, nil)
	w.expect(err, want, "%s withdraws %s/%s", m.id, ch, name)
}

func (w *world) declare(t *rapid.T) {
	m, ch, name, shared := w.actor(t), channel(t), pick(t, "topic", topics), rapid.Bool().Draw(t, "shared")
	err := m.Channel(ch).Operate(t.Context(), operation.Declare, operation.Topic{Channel: ch, Name: name, Shared: shared}, nil)
	w.expect(err, w.rules.declare(ch, name, shared, m.id), "%s declares %s/%s (shared: %t)", m.id, ch, name, shared)
}

func (w *world) retract(t *rapid.T) {
	m, ch, name := w.actor(t), channel(t), pick(t, "topic", topics)
	err := m.Channel(ch).Operate(t.Context(), operation.Retract, operation.Topic{Channel: ch, Name: name}, nil)
	w.expect(err, w.rules.retract(ch, name, m.id), "%s retracts %s/%s", m.id, ch, name)
}

func (w *world) subscribe(t *rapid.T) {
	m, ch, pattern := w.actor(t), channel(t), pick(t, "pattern", patterns)
	if len(m.subs) >= 6 {
		t.Skip("enough subscriptions")
	}
	o := service.SubscribeOptions{
		Queue:  pick(t, "queue", []int{0, 0, 4}),
		Policy: pick(t, "policy", []string{operation.DropOldest, operation.DropNewest, operation.Disconnect}),
	}
	s, err := m.Channel(ch).Subscribe(t.Context(), pattern, o)
	w.expect(err, status.OK, "%s subscribes to %s/%s", m.id, ch, pattern)
	sub := &subscription{
		channel: ch, pattern: pattern, s: s, want: log{}, got: log{}, slow: o.Queue > 0, frail: o.Policy == operation.Disconnect,
	}
	m.subs = append(m.subs, sub)
	go sub.collect()
}

func (w *world) unsubscribe(t *rapid.T) {
	m := w.actor(t)
	s := pick(t, "subscription", m.subs)
	s.s.Close()
	w.settle()
	if s.ended == status.OK {
		s.ended = status.Closed
	}
	w.checkSubscription(m, s)
	m.subs = slices.DeleteFunc(m.subs, func(o *subscription) bool { return o == s })
}

// publish has up to three members publish at the same time, a run of messages each.
func (w *world) publish(t *rapid.T) {
	size := pick(t, "size", []int{0, 0, 2000, 20_000, 70_000})
	var wg sync.WaitGroup
	used := map[lane]bool{}
	for range rapid.IntRange(1, 3).Draw(t, "publishers") {
		m := w.actor(t)
		ch, name := likely(t, topics, func(ch, name string) bool { return w.rules.mayPublish(ch, name, m.id) == status.OK })
		l := lane{m.id, "topic", ch, name}
		if used[l] {
			continue
		}
		used[l] = true
		want := w.rules.mayPublish(ch, name, m.id)
		first, n := w.serial+1, rapid.IntRange(1, 20).Draw(t, "number")
		if rapid.IntRange(0, 5).Draw(t, "flood") == 0 {
			n = 200
		}
		w.serial += n
		if want == status.OK {
			w.address(l, first, n)
		}
		to := m.Channel(ch).Topic(name)
		stale := w.stale[l]
		err := w.emit(l, to, want, body(first, size))
		if !stale || want == status.OK || err == nil { // else it may be the refusal of then
			w.expect(err, want, "%s publishes on %s/%s", m.id, ch, name)
		}
		wg.Go(func() {
			for i := 1; i < n; i++ {
				if err := to.Emit(t.Context(), session.Message{Payload: body(first+i, size)}); !is(err, want) {
					t.Errorf("%s publishes on %s/%s: got %v, want %v", m.id, ch, name, err, want)
				}
			}
		})
	}
	wg.Wait()
	w.settle()
}

// address notes publications with those who are to get them.
func (w *world) address(l lane, first, n int) {
	for _, m := range w.members {
		for _, s := range m.subs {
			if s.ended == status.OK && s.channel == l.channel && subject.Match(s.pattern, l.name) {
				s.slow = s.slow || n > 20 // more than a queue takes
				for i := range n {
					s.want[l] = append(s.want[l], first+i)
				}
			}
		}
	}
}

func (w *world) send(t *rapid.T) {
	m, ch := w.actor(t), channel(t)
	to := pick(t, "target", w.some(func(*member) bool { return true }))
	l, want := lane{m.id, "event", ch, to.id}, status.OK
	if !w.leads(l) {
		want = status.NotFound
	}
	event := m.Channel(ch).At(to.id).Event("e")
	for i := range rapid.IntRange(1, 5).Draw(t, "number") {
		w.serial++
		if want == status.OK {
			at := lane{m.id, "event", ch, "e"}
			to.hears.want[at] = append(to.hears.want[at], w.serial)
		}
		err := w.emit(l, event, want, body(w.serial, 0))
		if err != nil || i > 0 || want == status.OK { // the first that finds nobody may only find out
			w.expect(err, want, "%s sends to %s in %s", m.id, to.id, ch)
		}
		w.settle()
	}
}

func (w *world) broadcast(t *rapid.T) {
	m, ch := w.actor(t), channel(t)
	l, want := lane{m.id, "broadcast", ch, "b"}, status.OK
	if !w.leads(l) {
		want = status.NotFound
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "number") {
		w.serial++
		for _, o := range w.members {
			if o != m && w.rules.in(ch, o.id) {
				o.hears.want[l] = append(o.hears.want[l], w.serial)
			}
		}
		err := w.emit(l, m.Channel(ch).Broadcast("b"), want, body(w.serial, 0))
		if err != nil || i > 0 || want == status.OK {
			w.expect(err, want, "%s broadcasts in %s", m.id, ch)
		}
		w.settle()
	}
}

func (w *world) call(t *rapid.T) {
	m := w.actor(t)
	ch, name := likely(t, methods[:2], w.provided)
	w.serial++
	key := fmt.Sprint(w.serial)
	if !w.provided(ch, name) {
		_, err := m.Channel(ch).Method(name).Call(t.Context(), session.Message{Payload: []byte(key)}, nil)
		w.expect(err, status.NoProvider, "%s calls %s/%s, which nobody provides", m.id, ch, name)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &call{caller: m.id, provider: w.rules.rooms[ch].methods[name], method: name, key: key, cancel: cancel, done: make(chan struct{})}
	w.calls = append(w.calls, x)
	go func() {
		defer close(x.done)
		rep, err := m.Channel(ch).Method(name).Call(ctx, session.Message{Payload: []byte(key)}, nil)
		x.answer, x.err = string(rep.Payload), err
	}()
	w.settle()
}

// provided reports whether somebody provides a method.
func (w *world) provided(ch, name string) bool {
	c := w.rules.rooms[ch]
	return c != nil && c.methods[name] != ""
}

// stream reads rows to the end, or to somewhere before.
func (w *world) stream(t *rapid.T) {
	m := w.actor(t)
	ch, name := likely(t, methods[2:], w.provided)
	provided := w.provided(ch, name)
	if provided && w.members[w.rules.rooms[ch].methods[name]].stalled {
		t.Skip("the provider is stalled")
	}
	n, size := rapid.IntRange(0, 200).Draw(t, "number"), pick(t, "size", []int{0, 300, 20_000})
	last := rapid.IntRange(0, n).Draw(t, "last")
	request := session.Message{Payload: fmt.Appendf(nil, "%d %d", n, size)}
	x, err := m.Channel(ch).Method("rows").Open(t.Context(), session.ServerStream, request)
	w.must(err)
	for i := 0; err == nil; i++ {
		if last < n && i == last {
			x.Cancel()
			return
		}
		var item session.Item
		if item, err = x.Recv(t.Context(), nil); err == nil && (numberOf(item.Payload) != i || len(item.Payload) != 8+size) {
			w.Fatalf("%s reads %s/rows: item %d is %.8s with %d bytes", m.id, ch, i, item.Payload, len(item.Payload))
		} else if err != nil && provided && i != n {
			w.Fatalf("%s reads %s/rows: %d of %d items, then %v", m.id, ch, i, n, err)
		}
	}
	want := status.Closed // its end
	if !provided {
		want = status.NoProvider
	}
	w.expect(err, want, "%s reads %s/rows", m.id, ch)
}

// mine are the calls that f accepts, of callers that can do something.
func (w *world) mine(f func(*call) bool) []*call {
	var all []*call
	for _, c := range w.calls {
		if m := w.members[c.caller]; m != nil && !m.stalled && !c.orphan && f(c) {
			all = append(all, c)
		}
	}
	return all
}

func (w *world) cancel(t *rapid.T) {
	c := pick(t, "call", w.mine(func(c *call) bool { return !c.cancelled }))
	c.cancelled = true
	c.cancel()
}

func (w *world) answer(t *rapid.T) {
	c := pick(t, "call", w.mine(func(c *call) bool { return !c.lost && w.held(c.key) }))
	c.released = true
	w.release(c.key)
}
