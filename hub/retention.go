// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/retain"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/wire"
)

// retention is what a topic keeps. Its lock makes the seam between what is replayed and what
// comes live: a publication is kept and given to the subscribers in one step under it, and a
// subscription takes what is kept and enters the tables in one step under it. It is taken
// after hub.mu, which nobody waits for who has it.
type retention struct {
	from session.Bind // the label of its values
	now  func() time.Time
	max  int64         // bytes of all topics
	all  *atomic.Int64 // that are used

	mu     sync.Mutex
	closed bool
	ring   retain.Ring[outlet.Retained]
}

func (h *Hub) newRetention(at place) *retention {
	return &retention{
		from: wire.Bind{Class: wire.ClassLabel, Channel: at.channel, Name: at.name},
		now:  h.cfg.Now, max: int64(h.cfg.MaxKeptBytes), all: &h.kept,
	}
}

// bound sets what is kept from now on. bytes is for this topic.
func (r *retention) bound(values int, age time.Duration, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring.Values, r.ring.Age, r.ring.Bytes = values, age, bytes
	r.accountLocked(func() { r.ring.Trim(r.now()) })
}

// accountLocked does f and notes what it makes of the bytes that are kept.
func (r *retention) accountLocked(f func()) {
	before := r.ring.Size()
	f()
	r.all.Add(int64(r.ring.Size() - before))
}

// addLocked keeps a publication. If all topics together keep too much this one forgets.
func (r *retention) addLocked(m *outlet.Parcel) {
	if r.closed {
		return
	}
	r.accountLocked(func() { r.ring.Add(m.Retain(&r.from), r.now()) })
	for r.ring.Len() > 0 && r.all.Load() > r.max {
		r.accountLocked(r.ring.Forget)
	}
}

// close forgets all.
func (r *retention) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.accountLocked(r.ring.Clear)
}

// keepLocked sets what a topic keeps.
func (h *Hub) keepLocked(at place, in *operation.Topic) {
	t := h.topics[at]
	if in.Keep == 0 && in.KeepAge == 0 {
		t.kept.Swap(nil).close()
		return
	}
	if t.kept.Load() == nil {
		t.kept.Store(h.newRetention(at))
	}
	t.kept.Load().bound(in.Keep, seconds(in.KeepAge), h.cfg.MaxKeptBytesPerTopic)
}

// seconds returns a duration that guard has found sensible.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// deliverKept is the second half of publisher.deliver where the topic keeps values.
func (p *publisher) deliverKept(by flusher, m *outlet.Parcel, n int, r *retention) {
	for {
		a := p.topic.audienceNow(p.m.hub)
		r.mu.Lock()
		if a.seen == p.topic.room.changed.Load() { // nobody has come meanwhile, and cannot now
			r.addLocked(m)
			over := p.push(by, m, n, a)
			r.mu.Unlock()
			p.m.hub.endOverflown(over)
			return
		}
		r.mu.Unlock()
	}
}

// wanted is what a subscription wants of what is kept.
type wanted struct {
	values int
	age    time.Duration
	bytes  int // that the subscription can take
	queue  int // and how many values
}

// replayLocked has f begin with what its topics keep, and enter put it into the tables. It
// returns how many values that are.
func (h *Hub) replayLocked(f *feed, enter func()) (values int) {
	if f.replay == nil {
		enter()
		return 0
	}
	most := f.replay.queue
	if n := f.replay.values; n > 0 {
		most = min(most, n)
	}
	var picks []retain.Pick[outlet.Retained]
	for _, t := range h.matchedLocked(f) {
		if r := t.kept.Load(); r != nil && f.m.grants.Load().May(auth.VerbSubscribe, t.at.channel, t.at.name) {
			r.mu.Lock()
			defer r.mu.Unlock()
			now := r.now()
			r.accountLocked(func() { r.ring.Trim(now) })
			picks = r.ring.Last(picks, most, f.replay.age, now)
		}
	}
	enter()
	labels := make(map[*session.Bind]*session.Route)
	for _, p := range retain.Fit(picks, f.replay.queue, f.replay.bytes) {
		from := p.Item.From()
		if labels[from] == nil {
			labels[from] = f.m.s.Route(*from)
		}
		if f.out.Replay(p.Item, labels[from]) {
			values++
		}
	}
	h.count.replayed.Add(uint64(values))
	return values
}
