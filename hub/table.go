// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

type change = directory.Change[*Member]

// room is what belongs to the name of a channel while anybody is in it, subscribes to it
// or watches it; the room of the name "" is for watches of all channels.
type room struct {
	name string
	toll *toll // nil for no bound

	// guarded by hub.mu
	trie     subject.Trie[*feed]
	subs     map[*feed]struct{} // what is in trie
	patterns map[string]int     // how many subs have each
	watches  map[*feed]struct{}

	changed atomic.Uint64 // counts changes of trie
	seats   atomic.Uint64 // counts changes of who is in the channel
}

// roomLocked returns the room of a name, which is made if need be.
func (h *Hub) roomLocked(name string) *room {
	r := h.rooms[name]
	if r == nil {
		r = &room{name: name, toll: h.tollLocked(quota.ByChannel, name, quota.RateOf(h.cfg.ChannelRates, name)), subs: make(map[*feed]struct{}), patterns: make(map[string]int), watches: make(map[*feed]struct{})}
		h.rooms[name] = r
	}
	return r
}

// tidyLocked forgets the room of a name if nothing is in it.
func (h *Hub) tidyLocked(name string) {
	r := h.rooms[name]
	if r != nil && len(r.subs) == 0 && len(r.watches) == 0 && h.dir.Channel(name) == nil {
		delete(h.rooms, name)
		h.restLocked(r.toll)
	}
}

// aftermath is what a change makes necessary outside the lock.
type aftermath struct {
	ended   []ending
	revoked []revocation
	watched map[*feed]struct{}
	pumped  []*pool
	cut     []cutting
	barred  []barring
	closed  []*emitter
}

type ending struct {
	f      *feed
	reason *status.Error // nil: it ends well
}

type revocation struct {
	p      *publisher
	reason *status.Error
}

// run does it.
func (a *aftermath) run() {
	for f := range a.watched {
		f.out.Pump()
		f.m.s.FlushNow()
	}
	for _, r := range a.revoked {
		r.p.m.s.Revoke(r.p, r.reason)
	}
	for _, e := range a.ended {
		e.f.end(e.reason)
	}
	for _, p := range a.pumped {
		p.pump(nil)
	}
	for _, c := range a.cut {
		c.r.cut(c.reason)
	}
	for _, b := range a.barred {
		b.l.bar(b.id, b.reason)
	}
	for _, e := range a.closed {
		e.out.Close()
	}
}

// change has a member change the directory, by f, and does what follows; then is done
// before anybody sees it. cause is the reason that the feeds of members who leave end with,
// nil for a good end.
func (m *Member) change(cause *status.Error, f func(d *directory.Directory[*Member], now time.Time) ([]change, error), then ...func()) error {
	h := m.hub
	var after aftermath
	h.mu.Lock()
	err := m.aliveLocked()
	if err == nil {
		var changes []change
		if changes, err = f(h.dir, h.cfg.Now()); err == nil {
			h.applyLocked(changes, cause, &after)
			for _, f := range then {
				f()
			}
		}
	}
	h.mu.Unlock()
	after.run()
	if err != nil {
		h.refused(m.id, m.user.name, err)
		m.forbade(err)
	}
	return err
}

// applyLocked brings the tables in line with the directory and tells who watches.
func (h *Hub) applyLocked(changes []change, cause *status.Error, after *aftermath) {
	for _, c := range changes {
		at := place{c.Channel, c.Name}
		switch c.Kind {
		case directory.Joined, directory.Left:
			h.roomLocked(c.Channel).seats.Add(1)
		case directory.Provided:
			h.roomLocked(c.Channel).seats.Add(1) // routes to a target look again, for its schemas
			h.provideLocked(&c, at, after)
		case directory.Withdrawn:
			h.withdrawLocked(&c, at, after)
		}
		h.tellLocked(&operation.Notice{Type: c.Kind.Notice(), Channel: c.Channel, Member: c.Member.id, Name: c.Name, Reason: c.Reason}, after)
		h.followLocked(&c, at, cause, after)
	}
	h.forgetLocksLocked(changes)
}

// followLocked does what a change brings about after it has been told.
func (h *Hub) followLocked(c *change, at place, cause *status.Error, after *aftermath) {
	switch c.Kind {
	case directory.Declared:
		h.declaredLocked(at, after)
	case directory.Retracted:
		h.retractedLocked(at, after)
	case directory.Terminated:
		err := status.Errorf(status.Terminated, "channel %s ended with its owner, %s", c.Channel, c.Member.id)
		for _, f := range h.rooms[c.Channel].feeds(nil, false) {
			h.removeFeedLocked(f, err, after)
		}
	case directory.Left:
		for _, f := range h.rooms[c.Channel].feeds(c.Member, cause != nil) {
			h.removeFeedLocked(f, cause, after)
		}
		h.tidyLocked(c.Channel)
	}
}

func (h *Hub) declaredLocked(at place, after *aftermath) {
	t := &topic{at: at, room: h.rooms[at.channel], publishers: make(map[*publisher]struct{})}
	h.topics[at] = t
	distinct := make(map[string]struct{})
	for _, f := range t.room.trie.Match(nil, at.name) {
		distinct[f.pattern] = struct{}{}
	}
	if t.patterns = len(distinct); t.patterns > 0 {
		h.tellLocked(&operation.Notice{Type: operation.NoticeFirstSubscriber, Channel: at.channel, Name: at.name}, after)
	}
}

func (h *Hub) retractedLocked(at place, after *aftermath) {
	t := h.topics[at]
	t.gone.Store(true)
	t.kept.Load().close()
	delete(h.topics, at)
	err := status.Errorf(status.Undeclared, "topic %s of channel %s is declared no more", at.name, at.channel)
	for p := range t.publishers {
		delete(p.m.publishers, at)
		after.revoked = append(after.revoked, revocation{p, err})
	}
}

// tellLocked gives a notice to those who watch its channel. It is in their queues when it
// returns, so that all see notices in one order.
func (h *Hub) tellLocked(n *operation.Notice, after *aftermath) {
	h.postNotice(n)
	var m *outlet.Parcel
	for _, r := range []*room{h.rooms[n.Channel], h.rooms[""]} {
		if r == nil {
			continue
		}
		for f := range r.watches {
			if h.mayLocked(n.Channel, f.m) != nil {
				continue
			}
			if m == nil {
				p := outlet.Of(bodyOf(n))
				m = &p
			}
			f.out.Hold(m)
			if after.watched == nil {
				after.watched = make(map[*feed]struct{})
			}
			after.watched[f] = struct{}{}
		}
	}
}

// tellGap tells a member, if it watches the channel, that events for it were dropped.
func (h *Hub) tellGap(m *Member, at place, n uint64) {
	notice := operation.Notice{Type: operation.NoticeGap, Channel: at.channel, Member: m.id, Name: at.name, Dropped: n}
	var told []*feed
	h.mu.RLock()
	for f := range m.feeds {
		if f.pattern == "" && (f.channel == at.channel || f.channel == "") {
			msg := outlet.Of(bodyOf(notice))
			f.out.Hold(&msg)
			told = append(told, f)
		}
	}
	h.mu.RUnlock()
	for _, f := range told {
		f.out.Pump()
	}
}

// feeds returns the subscriptions, and the watches if they are wanted, of one member or of all.
func (r *room) feeds(of *Member, watches bool) []*feed {
	if r == nil {
		return nil
	}
	var found []*feed
	for f := range r.subs {
		if of == nil || f.m == of {
			found = append(found, f)
		}
	}
	for f := range r.watches {
		if watches && (of == nil || f.m == of) {
			found = append(found, f)
		}
	}
	return found
}

// addFeedLocked puts a feed into the tables and returns how many topics it matches, and how
// many values that they kept it begins with.
func (h *Hub) addFeedLocked(f *feed, after *aftermath) (topics, replayed int, err error) {
	if err := f.m.aliveLocked(); err != nil {
		return 0, 0, err
	}
	if err := f.allowed(); err != nil {
		return 0, 0, err
	}
	if err := h.mayLocked(f.channel, f.m); err != nil {
		return 0, 0, err
	}
	if err := f.m.mayLocked(quota.Subscriptions, h.cfg.MaxSubscriptionsPerMember, h.cfg.PerUser.Subscriptions); err != nil {
		return 0, 0, err
	}
	f.m.feeds[f] = struct{}{}
	h.feeds++
	if f.reader != nil {
		h.board.Add(f.pattern, f.reader)
		return 0, 0, nil
	}
	r := h.roomLocked(f.channel)
	if f.pattern == "" {
		r.watches[f] = struct{}{}
		return 0, 0, nil
	}
	replayed = h.replayLocked(f, func() {
		_, err = r.trie.Insert(f.pattern, f) // the pattern was checked before: cannot fail
		r.subs[f] = struct{}{}
		r.changed.Add(1)
		r.patterns[f.pattern]++
	})
	if err != nil {
		return 0, 0, status.Errorf(status.InvalidArgument, "%w", err)
	}
	matched := h.matchedLocked(f)
	if r.patterns[f.pattern] > 1 {
		return len(matched), replayed, nil
	}
	for _, t := range matched {
		if t.patterns++; t.patterns == 1 {
			h.tellLocked(&operation.Notice{Type: operation.NoticeFirstSubscriber, Channel: t.at.channel, Name: t.at.name, Member: f.m.id}, after)
		}
	}
	return len(matched), replayed, nil
}

// removeFeedLocked takes a feed out of the tables, unless it has ended, and has it ended.
func (h *Hub) removeFeedLocked(f *feed, reason *status.Error, after *aftermath) {
	if _, ok := f.m.feeds[f]; !ok {
		return
	}
	delete(f.m.feeds, f)
	h.feeds--
	after.ended = append(after.ended, ending{f, reason})
	if f.reader != nil {
		h.board.Remove(f.reader)
		return
	}
	r := h.rooms[f.channel]
	if f.pattern == "" {
		delete(r.watches, f)
	} else {
		r.trie.Remove(f.pattern, f)
		delete(r.subs, f)
		r.changed.Add(1)
		if r.patterns[f.pattern]--; r.patterns[f.pattern] == 0 {
			delete(r.patterns, f.pattern)
			h.unmatchLocked(f, after)
		}
	}
	h.tidyLocked(f.channel)
}

// unmatchLocked notes that the last subscription with a pattern has gone.
func (h *Hub) unmatchLocked(f *feed, after *aftermath) {
	for _, t := range h.matchedLocked(f) {
		if t.patterns--; t.patterns == 0 {
			h.tellLocked(&operation.Notice{Type: operation.NoticeLastSubscriber, Channel: t.at.channel, Name: t.at.name, Member: f.m.id}, after)
		}
	}
}

// matchedLocked returns the topics that a subscription matches.
func (h *Hub) matchedLocked(f *feed) []*topic {
	if !subject.IsPattern(f.pattern) {
		if t := h.topics[place{f.channel, f.pattern}]; t != nil {
			return []*topic{t}
		}
		return nil
	}
	ch := h.dir.Channel(f.channel)
	if ch == nil {
		return nil
	}
	var matched []*topic
	for _, name := range ch.Topics() {
		if t := h.topics[place{f.channel, name}]; t != nil && subject.Match(f.pattern, name) {
			matched = append(matched, t)
		}
	}
	return matched
}
