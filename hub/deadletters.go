// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/letterbox"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// deadLetters keeps messages that somebody has missed. A hub that keeps none has nil, whose
// methods do nothing. Those that keep something may be called under any lock.
type deadLetters struct {
	h        *Hub
	keep     deadletter.Keeping
	box      *letterbox.Box
	draining atomic.Bool
	replayed atomic.Uint64
	purged   atomic.Uint64
	slots    chan struct{} // of the operations, which wait for the disk
	changing sync.Mutex    // held by the one that replays or purges
}

// newDeadLetters panics at a rule that cannot be one: that is an error of the program.
func (h *Hub) newDeadLetters() *deadLetters {
	k := h.cfg.DeadLetters
	for i := range k.Rules {
		if err := k.Rules[i].Valid(); err != nil {
			panic("hub: " + err.Error())
		}
	}
	if k.Store == nil {
		return nil
	}
	if k.QueueBytes <= 0 {
		k.QueueBytes = deadletter.DefaultQueueBytes
	}
	return &deadLetters{
		h: h, keep: k, slots: make(chan struct{}, maxSlow),
		box: letterbox.New(letterbox.Config{Store: k.Store, Bytes: k.QueueBytes, Log: h.cfg.Log, Now: h.cfg.Now}),
	}
}

// sender returns what dead letters say of a member.
func (d *deadLetters) sender(s *session.Session) *deadletter.Sender {
	if d == nil || !d.keep.On() {
		return nil
	}
	p := s.Peer()
	return &deadletter.Sender{ID: p.ID, Identity: p.Identity.Name}
}

// drain says that what waits for members is lost from now on because the hub ends.
func (d *deadLetters) drain() {
	if d != nil {
		d.draining.Store(true)
	}
}

// close returns when all is on the disk that was lost.
func (d *deadLetters) close() {
	if d != nil {
		d.box.Close()
	}
}

func (d *deadLetters) stats() *operation.DeadLetterStats {
	if d == nil {
		return nil
	}
	s := d.box.Stats()
	s.Replayed, s.Purged = d.replayed.Load(), d.purged.Load()
	return &s
}

// reason returns what a dead letter says of why it is one.
func (d *deadLetters) reason(why deadletter.Reason) string {
	if why == deadletter.Closed && d.draining.Load() {
		return operation.ReasonDrain
	}
	return why.String()
}

// missed is a message that somebody has missed.
type missed struct {
	kind     string
	at       place
	from     *deadletter.Sender
	receiver string
	why      string
	attempts int // 0 is 1, or what the hub said in the message
}

// put has a message kept if the rules say so and there is room; it is copied. done, if not nil, is
// then called once it is known whether it is on the disk: see letterbox.Box.Put.
func (d *deadLetters) put(x missed, m *session.Message, done func(kept bool)) bool {
	if d == nil || x.from == nil || !d.keep.Keeps(x.at.channel, x.at.name, x.why) {
		return false
	}
	r := deadletter.Record{
		Time: d.h.cfg.Now(), Kind: x.kind, Channel: x.at.channel, Name: x.at.name, Sender: *x.from, Receiver: x.receiver,
		Reason: x.why, Attempts: 1, Codec: m.Codec, Priority: m.Priority, Payload: m.Payload,
	}
	size := r.Size() + 2*len(m.Ext)
	if !d.box.Reserve(size) {
		return false
	}
	r.Payload = bytes.Clone(m.Payload)
	for _, p := range session.Headers(m.Ext) {
		switch p.Key {
		case operation.HeaderDeadLetter:
			if n, err := strconv.Atoi(p.Value); err == nil && n > 0 && m.Source == 0 { // the hub's own word
				r.Attempts = n
			}
		case operation.HeaderDeadLetterSender, operation.HeaderAttempt:
		default:
			r.Headers = append(r.Headers, p)
		}
	}
	if x.attempts > 0 {
		r.Attempts = x.attempts
	}
	d.box.Put(&r, size, done)
	return true
}

// lose has a message of m kept that found no receiver.
func (m *Member) lose(kind string, at place, msg session.Message, receiver, why string) {
	if m.from != nil {
		m.hub.dead.put(missed{kind: kind, at: at, from: m.from, receiver: receiver, why: why}, &msg, nil)
	}
}

// publicationLost returns what is told of the publications that a member misses.
func (d *deadLetters) publicationLost(receiver string) func(outlet.Loss) {
	if d == nil {
		return nil
	}
	return func(l outlet.Loss) {
		b := l.Label.Bind()
		x := missed{kind: operation.KindPublication, at: place{b.Channel, b.Name}, from: l.From, receiver: receiver, why: d.reason(l.Why)}
		d.put(x, &l.Message, nil)
	}
}

// eventLost returns what is told of the events that a member misses.
func (d *deadLetters) eventLost(b wire.Bind, receiver string) func(outlet.Loss) {
	if d == nil {
		return nil
	}
	kind := operation.KindEvent
	if b.Class == wire.ClassBroadcast {
		kind = operation.KindBroadcast
	}
	return func(l outlet.Loss) {
		if kind == operation.KindBroadcast && l.Why == deadletter.Refused {
			return // not everybody has to want it
		}
		d.put(missed{kind: kind, at: place{b.Channel, b.Name}, from: l.From, receiver: receiver, why: d.reason(l.Why)}, &l.Message, nil)
	}
}

// orphaned has publications kept that nobody has subscribed to, and that the topic does not keep
// either. Whoever waits for a receipt does so himself.
func (p *publisher) orphaned(m *outlet.Parcel) {
	if p.m.from == nil || m.Watched() || p.topic.kept.Load() != nil {
		return
	}
	m.Each(func(m session.Message) {
		p.m.lose(operation.KindPublication, p.topic.at, m, "", operation.ReasonNoSubscriber)
	})
}

// letterCopy is a publication whose publisher waits to hear of it.
type letterCopy struct {
	d    *deadLetters
	at   place
	from *deadletter.Sender
	msg  session.Message
	keep bool // by the topic
}

// copyOf copies a publication if it may become a dead letter, which is known late: also
// receivers that have it in their sessions may miss it.
func (d *deadLetters) copyOf(p *publisher, c *session.Call) *letterCopy {
	if d == nil || p.m.from == nil || !d.keep.Touches(p.topic.at.channel, p.topic.at.name) {
		return nil
	}
	m := c.Message()
	m.Payload, m.Ext = bytes.Clone(m.Payload), bytes.Clone(m.Ext)
	return &letterCopy{d: d, at: p.topic.at, from: p.m.from, msg: m, keep: p.topic.kept.Load() != nil}
}

func (c *letterCopy) missed(receiver, why string) missed {
	return missed{kind: operation.KindPublication, at: c.at, from: c.from, receiver: receiver, why: why}
}

// Missed implements outlet.Watch: a dead letter is told when it is on the disk.
func (a *acknowledged) Missed(by outlet.Sender, why deadletter.Reason) {
	f, ok := by.(*feed)
	if a.copy == nil || !ok {
		a.Receipt.Missed(by, why)
		return
	}
	done := func(kept bool) {
		if kept {
			a.Kept(by, why)
		} else {
			a.Receipt.Missed(by, why)
		}
	}
	c := a.copy
	if !c.d.put(c.missed(f.m.id, c.d.reason(why)), &c.msg, done) {
		a.Receipt.Missed(by, why)
	}
}

// orphaned has a publication kept that nobody has subscribed to.
func (a *acknowledged) orphaned() {
	c := a.copy
	if c == nil || c.keep || !a.Orphaned() {
		return
	}
	if !c.d.put(c.missed("", operation.ReasonNoSubscriber), &c.msg, a.Settled) {
		a.Settled(false)
	}
}

// almost is how much earlier than the hub a caller may find that the time of its call is up.
const almost = 50 * time.Millisecond

// lost has a call kept that is refused because its time was up, or because nobody is left
// after providers have died of it.
func (q *request) lost(err error) {
	m := q.leg.caller()
	if m.from == nil || q.shape != wire.Unary {
		return
	}
	var why string
	switch code := status.CodeOf(err); {
	case code == status.DeadlineExceeded, code == status.Cancelled && !q.expires.IsZero() && time.Until(q.expires) < almost:
		why = operation.ReasonExpired
	case q.attempt > 1 && code == status.PeerGone:
		why = operation.ReasonAttempts
	default:
		return
	}
	q.keepDead("", why)
}

func (q *request) keepDead(receiver, why string) {
	if m := q.leg.caller(); m.from != nil {
		m.hub.dead.put(missed{kind: operation.KindCall, at: q.p.at, from: m.from, receiver: receiver, why: why, attempts: q.attempt}, &q.msg, nil)
	}
}

// exhausted has a call kept whose last provider has died, as those before had.
func (q *request) exhausted(o *offer, err error) {
	if err == nil || !q.twice || q.attempt < q.p.h.cfg.MaxAttempts || err != o.m.s.Err() { //nolint:errorlint // the very value: the session has ended
		return
	}
	q.keepDead(o.m.id, operation.ReasonAttempts)
}
