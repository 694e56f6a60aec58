// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"log/slog"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/hub/bulletin"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// ErrorPolicy says what becomes of a failure that no caller waits for, besides being counted:
// a publication that does not fit its schema, an event for nobody.
type ErrorPolicy string

// The policies.
const (
	Ignore    ErrorPolicy = "ignore"    // nothing
	Broadcast ErrorPolicy = "broadcast" // it is published on "$", topic "errors.…"
	Raise     ErrorPolicy = "raise"     // so it is, and the session of the culprit ends
)

// Known reports whether p is one of the policies.
func (p ErrorPolicy) Known() bool { return p == Ignore || p == Broadcast || p == Raise }

// Logger returns a logger that writes to next, and publishes lines from info on as the hub
// publishes its own, for what belongs to the hub in the eyes of its users: its listeners. The
// logs of sessions are treated so anyway, see Admission.
func (h *Hub) Logger(next *slog.Logger) *slog.Logger { return h.board.Log(next, slog.LevelInfo) }

// reader is a feed of what the hub itself publishes. Its methods are called by the board.
type reader struct {
	f      *feed
	labels map[string]*session.Route
	count  uint64
}

// Take implements bulletin.Reader.
func (r *reader) Take(topic string, body []byte) {
	label := r.labels[topic]
	if label == nil {
		if r.labels == nil {
			r.labels = make(map[string]*session.Route)
		}
		label = r.f.m.s.Route(wire.Bind{Class: wire.ClassLabel, Channel: operation.Channel, Name: topic})
		r.labels[topic] = label
	}
	r.count++
	p := outlet.Of(session.Message{Codec: codecJSON, Payload: body, Sequence: r.count})
	v := r.f.out.HoldAs(&p, label)
	p.Done()
	if v == outlet.Overflown {
		r.f.m.hub.endFeed(r.f, status.Errorf(status.Overloaded, "more than %d messages waited for the subscription", r.f.out.Limit()))
		return
	}
	r.f.out.Pump()
	r.f.m.s.FlushNow()
}

// Miss implements bulletin.Reader.
func (r *reader) Miss(n uint64) { r.f.out.Miss(n) }

// post publishes an event on the hub's own channel.
func (h *Hub) post(e operation.Event) { //nolint:gocritic // it is copied in any case
	h.board.Post(bulletin.Events, e.Type, func(now time.Time, held uint64) any {
		e.Time, e.Held = now, held
		return e
	})
}

// postNotice publishes what the watchers of a channel are told.
func (h *Hub) postNotice(n *operation.Notice) {
	if h.board.Wants(bulletin.Events) {
		h.post(operation.Event{Type: n.Type, Channel: n.Channel, Member: n.Member, Name: n.Name, Reason: n.Reason})
	}
}

// postSession publishes the begin of a member's session, or its end.
func (m *Member) postSession(kind string, reason *status.Error) {
	if !m.hub.board.Wants(bulletin.Events) {
		return
	}
	p := m.s.Peer()
	e := operation.Event{Type: kind, Member: m.id, Identity: p.Identity.Name, Address: p.Address}
	if reason != nil {
		e.Code, e.Reason = reason.Code.String(), reason.Message
	}
	m.hub.post(e)
}

// Faults of messages that were sent by routes that lead nowhere.
var (
	errGone       = &status.Error{Code: status.PeerGone, Message: "the receiver has just gone"}
	errUndeclared = &status.Error{Code: status.Undeclared, Message: "the topic is declared no more"}
)

// fault deals with a failure of what m has sent, for which no caller waits, as the policy says.
func (m *Member) fault(kind string, at wire.Bind, err error) {
	m.blame(kind, at, status.Convert(err), m.hub.cfg.ErrorPolicy == Raise)
}

// blame is fault, and the policy does not say that the session goes on if raise is true.
func (m *Member) blame(kind string, at wire.Bind, e *status.Error, raise bool) {
	if m.hub.cfg.ErrorPolicy == Ignore || !raise && !m.hub.board.Wants(bulletin.Errors) {
		return
	}
	m.hub.board.Post(bulletin.Errors, kind, func(now time.Time, held uint64) any {
		return operation.Fault{
			Time: now, Type: kind, Member: m.id, Identity: m.s.Peer().Identity.Name, Channel: at.Channel, Name: at.Name,
			Code: e.Code.String(), Reason: e.Message, Closed: raise, Held: held,
		}
	})
	if raise {
		m.s.CloseWith(&status.Error{Code: status.Evicted, Message: "the hub ends a session for any message that fails (" + kind + "): " + e.Message})
	}
}

// bind returns what publishers of the topic have bound.
func (t *topic) bind() wire.Bind {
	return wire.Bind{Class: wire.ClassTopic, Channel: t.at.channel, Name: t.at.name}
}

// losses counts the messages that were dropped before one receiver since that was published.
// No lock is taken under its own but the board's.
type losses struct {
	of operation.Event // what is published, but for Dropped

	mu   sync.Mutex
	n    uint64
	last time.Time
}

// add counts, and publishes at once if it is a second since it did.
func (l *losses) add(h *Hub, n int) {
	if !h.board.Wants(bulletin.Events) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += uint64(n)
	if now := h.cfg.Now(); now.Sub(l.last) >= time.Second {
		l.last = now
		l.flushLocked(h)
	}
}

// flush publishes what has not been published.
func (l *losses) flush(h *Hub) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked(h)
}

func (l *losses) flushLocked(h *Hub) {
	if l.n == 0 {
		return
	}
	e := l.of
	e.Type, e.Dropped, l.n = operation.EventDrop, l.n, 0
	h.post(e)
}
