// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// check holds the hub against the model, after each step.
func (w *world) check(*rapid.T) {
	w.settle()
	w.checkMembership()
	w.checkNotices()
	w.checkCounts()
	for _, m := range w.some(func(m *member) bool { return !m.stalled }) {
		w.checkEvents(m)
		for _, s := range m.subs {
			w.checkSubscription(m, s)
		}
	}
	w.checkCalls()
	for l := range w.stale {
		w.stale[l] = w.stale[l] || !w.leads(l)
	}
}

// checkMembership: the same members in the same order, exactly one owner, the same names.
func (w *world) checkMembership() {
	var list operation.ChannelList
	ch := w.observer.Channel("")
	w.must(ch.Operate(w.Context(), operation.Channels, operation.Empty{}, &list))
	if len(list.Channels) != len(w.rules.rooms) {
		w.Fatalf("channels %+v, want %v", list.Channels, slices.Sorted(maps.Keys(w.rules.rooms)))
	}
	for name, c := range w.rules.rooms {
		members, err := w.observer.Channel(name).Members(w.Context())
		w.must(err)
		var ids []string
		for i, m := range members {
			ids = append(ids, m.ID)
			if m.Owner != (i == 0) {
				w.Fatalf("%s: %s owns it: %t", name, m.ID, m.Owner)
			}
			for _, method := range m.Methods {
				if c.methods[method] != m.ID {
					w.Fatalf("%s/%s is said to be provided by %s, want %q", name, method, m.ID, c.methods[method])
				}
			}
		}
		if !slices.Equal(ids, c.order) {
			w.Fatalf("%s has the members %v, want %v", name, ids, c.order)
		}
		x, err := w.observer.Channel(name).Explore(w.Context(), "")
		w.must(err)
		w.checkOffers(name, c, &x)
	}
}

func (w *world) checkOffers(name string, c *room, x *operation.Exploration) {
	if len(x.Methods) != len(c.methods) || len(x.Topics) != len(c.topics) || x.Owner != c.order[0] {
		w.Fatalf("%s offers %+v, want %v and %v", name, x, c.methods, c.topics)
	}
	for _, m := range x.Methods {
		if !slices.Equal(m.Providers, []string{c.methods[m.Name]}) {
			w.Fatalf("%s/%s is provided by %v, want %s", name, m.Name, m.Providers, c.methods[m.Name])
		}
	}
	for _, t := range x.Topics {
		want := c.topics[t.Name]
		if want == nil || want.shared != t.Shared || !slices.Equal(slices.Sorted(slices.Values(t.Owners)), slices.Sorted(slices.Values(want.holders))) {
			w.Fatalf("topic %s/%s is %+v, want %+v", name, t.Name, t, want)
		}
	}
}

// checkNotices: who has only read the notices knows the members, too.
func (w *world) checkNotices() {
	f := w.notices
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.gaps > 0 {
		w.Fatalf("the watch has %d gaps and ended: %v", f.gaps, f.err)
	}
	for _, name := range channels {
		var want []string
		if c := w.rules.rooms[name]; c != nil {
			want = c.order
			if f.owner[name] != c.order[0] {
				w.Fatalf("the notices say that %s owns %s, want %s", f.owner[name], name, c.order[0])
			}
		}
		if !slices.Equal(f.in[name], want) {
			w.Fatalf("by the notices %s has the members %v, want %v", name, f.in[name], want)
		}
		for _, topic := range topics {
			surely, maybe := w.heard(name, topic)
			if heard := f.heard[[2]string{name, topic}]; surely && !heard || heard && !maybe {
				w.Fatalf("by the notices %s/%s has subscribers: %t, want %t", name, topic, heard, !heard)
			}
		}
	}
}

// uncertain reports whether the hub may have ended s without a word to the model.
func (s *subscription) uncertain() bool { return s.frail && s.slow }

// heard reports whether a topic is there and somebody subscribes to it.
func (w *world) heard(ch, name string) (surely, maybe bool) {
	if c := w.rules.rooms[ch]; c == nil || c.topics[name] == nil {
		return false, false
	}
	for _, m := range w.members {
		for _, s := range m.subs {
			if s.ended == status.OK && s.channel == ch && subject.Match(s.pattern, name) {
				surely, maybe = surely || !s.uncertain(), true
			}
		}
	}
	return surely, maybe
}

// checkCounts: what was sent was delivered, dropped and counted, or waits.
func (w *world) checkCounts() {
	st := w.h.Status()
	for _, complaint := range hubtest.Audit(st) {
		w.Fatal(complaint)
	}
	subs, maybe, topics, methods := 1, 0, 0, 0 // one watch
	stalled := false
	for _, m := range w.members {
		stalled = stalled || m.stalled
		for _, s := range m.subs {
			switch {
			case s.ended != status.OK:
			case s.uncertain():
				maybe++
			default:
				subs++
			}
		}
	}
	for _, c := range w.rules.rooms {
		topics += len(c.topics)
		methods += len(c.methods)
	}
	if st.Subscriptions < subs || st.Subscriptions > subs+maybe || st.Topics != topics || st.Methods != methods || st.Sessions != len(w.members)+1 {
		w.Fatalf("status %+v, want %d subscriptions, %d topics, %d methods, %d sessions", st, subs, topics, methods, len(w.members)+1)
	}
	if st.Queued > 0 && !stalled {
		w.Fatalf("%d publications wait though nobody is stalled", st.Queued)
	}
	for _, m := range w.some(func(m *member) bool { return !m.stalled }) {
		if s := m.HubSession().Stats(); s.Queued > 0 {
			w.Fatalf("%d bytes wait in the outbox before %s", s.Queued, m.id)
		}
	}
}

// checkOrder: all that came was meant for this receiver, in the order of each lane; with
// whole nothing may be missing.
func (w *world) checkOrder(who string, got, want log, whole bool) (number int) {
	for l, have := range got {
		number += len(have)
		rest := want[l]
		for _, n := range have {
			i := slices.Index(rest, n)
			if i < 0 {
				w.Fatalf("%s got %v of %s, want %v: %d is forged, twice there or out of order", who, have, l, want[l], n)
			}
			rest = rest[i+1:]
		}
	}
	for l, all := range want {
		if whole && len(got[l]) != len(all) {
			w.Fatalf("%s got %v of %s, want %v", who, got[l], l, all)
		}
	}
	return number
}

func (w *world) checkEvents(m *member) {
	m.hears.mu.Lock()
	defer m.hears.mu.Unlock()
	w.checkOrder(m.id, m.hears.got, m.hears.want, !m.hears.slow)
}

// checkSubscription: what is missing has been told, exactly.
func (w *world) checkSubscription(m *member, s *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := w.checkOrder(m.id, s.got, s.want, !s.slow)
	total := 0
	for _, all := range s.want {
		total += len(all)
	}
	if s.ended == status.OK && s.uncertain() && is(s.err, status.Overloaded) {
		s.ended = status.Overloaded
	}
	if s.ended != status.OK {
		if s.uncertain() && is(s.err, status.Overloaded) {
			return // before it would have ended otherwise
		}
		if s.err == nil || !is(s.err, s.ended) {
			w.Fatalf("the subscription of %s to %s/%s ended with %v, want %v", m.id, s.channel, s.pattern, s.err, s.ended)
		}
		return
	}
	if s.err != nil {
		w.Fatalf("the subscription of %s to %s/%s ended: %v", m.id, s.channel, s.pattern, s.err)
	}
	// A gap is told with the publication that comes after it.
	if missed := s.s.Dropped(); number+int(missed) != total {
		w.Fatalf("%s got %d of %d publications on %s/%s and was told of %d that it missed", m.id, number, total, s.channel, s.pattern, missed)
	}
}

// checkCalls: no call is open that could have ended, none has ended otherwise than it should.
func (w *world) checkCalls() {
	w.calls = slices.DeleteFunc(w.calls, func(c *call) bool {
		caller, provider := w.members[c.caller], w.members[c.provider]
		done := false
		select {
		case <-c.done:
			done = true
		default:
		}
		switch {
		case c.orphan:
			if !done {
				w.Fatalf("call %s: its caller has gone, and it is open", c.key)
			}
			if !c.lost && !provider.stalled && w.held(c.key) {
				w.Fatalf("call %s: its caller has gone, and the handler was not told", c.key)
			}
		case c.cancelled:
			if !done && !caller.stalled || done && c.err != nil && !is(c.err, status.Cancelled) && !c.lost {
				w.Fatalf("call %s was cancelled, and has (%t) ended with %v", c.key, done, c.err)
			}
		case c.lost:
			if !done && !caller.stalled || done && c.err != nil && !is(c.err, status.PeerGone) {
				w.Fatalf("call %s: its provider has gone, and it has (%t) ended with %v", c.key, done, c.err)
			}
		case caller.stalled || provider.stalled:
		case c.method == "hold" && !c.released:
			if done || !w.held(c.key) {
				w.Fatalf("call %s ended before its handler: %q %v", c.key, c.answer, c.err)
			}
		case !done || c.err != nil || c.answer != c.provider+" "+c.key:
			w.Fatalf("call %s has (%t) ended with %q %v", c.key, done, c.answer, c.err)
		}
		return done
	})
}
