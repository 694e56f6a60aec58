// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"

	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// feed is a stream that the hub supplies: a subscription or a watch. It is open until its
// final frame has been sent; no goroutine belongs to it.
type feed struct {
	m       *Member
	x       *session.Stream
	id      uint32  // of the call
	channel string  // "" for a watch of all
	pattern string  // "" for a watch
	replay  *wanted // nil mostly
	out     *outlet.Outlet
	reader  *reader // of what the hub itself publishes; nil mostly
	losses  losses
}

// Try implements outlet.Sender.
func (f *feed) Try(m session.Message, label *session.Route) (bool, error) {
	return f.x.TrySend(m, label)
}

// TryRun implements outlet.Sender.
func (f *feed) TryRun(run session.Run, source uint64, label *session.Route) (int, error) {
	return f.x.TrySendRun(run, source, label)
}

// Sent implements outlet.Acknowledger.
func (f *feed) Sent() uint64 { return f.x.Sent() }

// Consumed implements outlet.Acknowledger.
func (f *feed) Consumed() uint64 { return f.x.Consumed() }

// Cancelled implements session.Canceller: the subscriber has given up, or gone.
func (f *feed) Cancelled(reason *status.Error) { f.m.hub.endFeed(f, reason) }

// end sends the final frame. The feed is in no table any more.
func (f *feed) end(reason *status.Error) {
	left := f.out.Close()
	f.m.hub.leftovers.add(left, operation.Undelivered{Member: f.m.id, Channel: f.channel, Name: f.pattern})
	f.losses.flush(f.m.hub)
	if reason == nil {
		f.m.s.Answer(f.id, session.Message{Codec: codecJSON, Payload: []byte("{}")})
	} else {
		f.m.s.Refuse(f.id, reason)
	}
	f.m.s.FlushNow()
}

// endFeed takes a feed out of the tables and ends it, unless it has ended.
func (h *Hub) endFeed(f *feed, reason *status.Error) {
	var after aftermath
	h.mu.Lock()
	h.removeFeedLocked(f, reason, &after)
	if _, ok := f.m.ending[f]; ok {
		delete(f.m.ending, f)
		after.ended = append(after.ended, ending{f, reason})
	}
	h.mu.Unlock()
	after.run()
}

// subscribe is the operation.
func (m *Member) subscribe(c *session.Call) {
	var in operation.Subscription
	err := decode(c, &in, wire.ServerStream)
	if err == nil {
		err = guard.Subscription(&in, guard.Bounds{Queue: m.hub.cfg.MaxQueue, Bytes: m.hub.cfg.DefaultQueueBytes, Block: m.hub.cfg.MaxBlock})
	}
	if err != nil {
		c.Fail(err)
		return
	}
	f := &feed{m: m, channel: in.Channel, pattern: in.Pattern}
	cfg := m.hub.cfg.outlet(f, &m.hub.count.publications, in.Queue, in.Policy)
	if in.Policy == operation.Block {
		cfg.Policy, cfg.Block = in.OnBlock, max(seconds(in.Block), 1)
		cfg.Overflown = func() { m.hub.endOverflown([]*feed{f}) }
	}
	if in.QueueBytes > 0 {
		cfg.Bytes = in.QueueBytes
	}
	if in.Replay > 0 || in.ReplayAge > 0 {
		f.replay = &wanted{values: in.Replay, age: seconds(in.ReplayAge), queue: cfg.Limit, bytes: cfg.Bytes}
	}
	cfg.Account = &m.queued
	cfg.Gapped = func(n uint64) session.Message {
		f.losses.flush(m.hub)
		return bodyOf(operation.Confirmation{Effective: true, Dropped: n})
	}
	if in.Channel == operation.Channel {
		if err := m.reads(); err != nil {
			c.Fail(err)
			return
		}
		f.reader = &reader{f: f}
		cfg.Tally = &m.hub.count.bulletins // and its drops are no bulletins
	} else {
		f.losses.of = operation.Event{Channel: in.Channel, Member: m.id, Name: in.Pattern}
		cfg.Dropped = func(n int) { f.losses.add(m.hub, n) }
		cfg.Lost = m.hub.dead.publicationLost(m.id)
	}
	f.out = outlet.New(cfg)
	m.open(c, f)
}

// watch is the operation.
func (m *Member) watch(c *session.Call) {
	var in operation.Place
	err := decode(c, &in, wire.ServerStream)
	if err == nil {
		err = guard.Watch(&in)
	}
	if err != nil {
		c.Fail(err)
		return
	}
	f := &feed{m: m, channel: in.Channel}
	cfg := m.hub.cfg.outlet(f, &m.hub.count.notices, 0, operation.DropOldest)
	cfg.Account = &m.queued
	cfg.Gapped = func(n uint64) session.Message {
		return bodyOf(operation.Notice{Type: operation.NoticeGap, Channel: in.Channel, Member: m.id, Dropped: n})
	}
	f.out = outlet.New(cfg)
	m.open(c, f)
}

// open begins a feed. It is in effect before its Confirmation is sent.
func (m *Member) open(c *session.Call, f *feed) {
	var err error
	f.id = c.ID
	if f.x, err = c.Stream(); err != nil {
		c.Fail(err)
		return
	}
	var after aftermath
	m.hub.mu.Lock()
	topics, replayed, err := m.hub.addFeedLocked(f, &after)
	m.hub.mu.Unlock()
	after.run()
	if err != nil {
		m.hub.refused(m.id, m.user.name, err)
		c.Fail(err)
		return
	}
	f.x.OnCredit(func() { f.out.Pump() })
	if !c.Detach(f) {
		m.hub.endFeed(f, &status.Error{Code: status.Cancelled, Message: "the subscriber gave up"})
		return
	}
	f.out.Start(bodyOf(operation.Confirmation{Effective: true, Topics: topics, Replayed: replayed}))
	c.FlushAfter(m.s)
}

// bodyOf returns a message of one of operation's types.
func bodyOf(v any) session.Message {
	return session.Message{Codec: codecJSON, Payload: encode(v)}
}

// encode returns the JSON of one of operation's types, which cannot fail.
func encode(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}
