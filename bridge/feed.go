// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"slices"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/wire"
)

// listen has s take the publications of a channel for the other side, or not any more. It is in
// effect when it returns.
func (s *side) listen(channel string, wanted bool) error {
	l := s.l
	l.mu.Lock()
	stop := s.feeds[channel]
	l.mu.Unlock()
	switch {
	case wanted == (stop != nil):
		return nil
	case !wanted:
		stop()
		return nil
	}
	x, err := s.stream(operation.Subscribe, operation.Subscription{Channel: channel, Pattern: ">"})
	if err != nil {
		return err
	}
	l.mu.Lock()
	s.feeds[channel] = x.Cancel
	l.mu.Unlock()
	l.wg.Go(func() {
		s.feed(x, channel)
		x.Cancel()
		l.mu.Lock()
		delete(s.feeds, channel)
		l.mu.Unlock()
		if l.ctx.Err() == nil {
			l.touch(channel)
		}
	})
	return nil
}

// feed passes publications on until the subscription ends. While the other side takes none it
// waits, so that they wait in the queue of the hub here, and what that drops is told.
func (s *side) feed(x *session.Stream, channel string) {
	for {
		item, err := x.Recv(s.l.ctx, nil)
		if err != nil {
			return
		}
		if item.From.Name == "" {
			s.gap(item.Payload, channel)
			continue
		}
		s.publish(&item)
	}
}

func (s *side) gap(payload []byte, channel string) {
	var c operation.Confirmation
	if json.Unmarshal(payload, &c) == nil && c.Dropped > 0 {
		s.l.b.count.dropped.Add(c.Dropped)
		s.l.b.cfg.Log.Warn("bridge is slow: publications were dropped", "hub", s.hub, "channel", channel, "dropped", c.Dropped)
	}
}

// publish passes one on, in the name of who has published it.
func (s *side) publish(item *session.Item) {
	id := s.s.SourceName(item.Source)
	g := s.other.speaker(id, func() string { return s.lifeOf(id, item.From.Channel) })
	if g == nil {
		return
	}
	g.put(&job{
		bind: wire.Bind{Class: wire.ClassTopic, Channel: item.From.Channel, Name: item.From.Name},
		m:    session.Message{Codec: item.Codec, Payload: item.Payload, Ext: item.Ext, Sequence: item.Sequence},
	}, true)
}

// lifeOf returns what tells the session of a member of a channel from others that its id has
// had, "" if that cannot be told: it is not in the channel.
func (s *side) lifeOf(id, channel string) string {
	list, _, err := s.members(channel)
	i := slices.IndexFunc(list.Members, func(m operation.Member) bool { return m.ID == id })
	if err != nil || i < 0 {
		return ""
	}
	return list.Members[i].Session
}

// unknown is the life of somebody who cannot be asked for.
func unknown() string { return "" }

// speaker returns the guest at s for a member of the other side. If another link speaks for
// it, or it is of s's own hub, it is nil. Without a guest there will be one, with the life that is
// asked for without a lock: hubs compare by it what comes by two ways.
func (s *side) speaker(id string, life func() string) *guest {
	if id == "" {
		return nil
	}
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	name, hub := s.nameFor(id)
	if !s.carriesLocked(hub) {
		s.l.b.count.elsewhere.Add(1)
		return nil
	}
	g := s.guests[name]
	if g != nil && !g.stopped() {
		return g
	}
	if len(s.guests) >= s.l.b.cfg.MaxGuests { // nobody is asked in vain, for each message
		s.l.b.count.dropped.Add(1)
		return nil
	}
	s.l.mu.Unlock()
	now := life()
	s.l.mu.Lock()
	if !s.carriesLocked(hub) { // not any more
		s.l.b.count.elsewhere.Add(1)
		return nil
	}
	if g = s.guests[name]; g == nil || g.stopped() {
		if g = s.guestLocked(name, now); g == nil {
			s.l.b.count.dropped.Add(1)
		}
	}
	return g
}
