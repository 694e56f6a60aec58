// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strconv"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/balance"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// request is a call to a pool that the hub keeps: because it waits for a provider, because
// it may have to be sent again, or because it has streams.
//
//	request ─settle─► waiting ─pump─► launch ─send─► in flight ──► answered
//	            └──────────────────────┘ ▲                │
//	                                     └── the provider died, and it may be done twice
type request struct {
	p       *pool
	leg     leg
	id      uint32 // at the caller
	shape   wire.Shape
	flags   wire.Flags
	msg     session.Message
	buf     interface{ Release() }
	key     balance.Key
	size    int       // of msg
	kept    bool      // size is counted in p.bytes; guarded by p.mu, like …
	holds   int       // … who still needs msg: a sender each, and one until it is sent no more
	may     bool      // the caller says that it may be done twice
	twice   bool      // so does he, or the provider: msg is kept until the answer
	attempt int       // 1 for the first
	expires time.Time // when the caller's time is up; zero: never
}

// leg is the link or the relay of a call.
type leg interface {
	waiter
	// assign says where the call goes; false if the caller has given up.
	assign(id uint32, o *offer) bool
	// begun notes the provider's id; true if the caller has given up meanwhile.
	begun(id, callee uint32, o *offer) bool
	// fail answers the call, unless it is over.
	fail(id uint32, err error)
	// givenUp reports whether the caller has given up, or gone.
	givenUp() bool
	// why says which; nil if it makes no difference.
	why() *status.Error
	// drop ends the call without an answer, because the caller's session has ended.
	drop(id uint32)
	caller() *Member
}

// request has the hub keep a call. o is who gets it, nil if it has to wait.
func (m *Member) request(c *session.Call, p *pool, k balance.Key, o *offer, by *caller) {
	q := &request{p: p, id: c.ID, shape: c.Shape(), flags: c.Flags, key: k, attempt: 1, holds: 1, may: c.Idempotent()}
	var who session.Canceller
	if q.shape == wire.Unary {
		l := m.link(c.ID)
		if !l.begin(c.ID, nil, q) {
			o.unused()
			c.Fail(status.Errorf(status.Protocol, "the call id %d is in use", c.ID))
			return
		}
		q.leg, who = l, l
	} else {
		r := newRelay(m, c)
		r.req = q
		r.o.Store(p.front)
		q.leg, who = r, callerEnd{r}
	}
	q.keep(c)
	if !c.Detach(who) {
		o.unused()
		q.leg.drop(q.id)
		q.release()
		return
	}
	if r, ok := q.leg.(*relay); ok && !r.register(&by.pass) {
		o.unused()
		q.release()
		c.FlushAfter(m.s)
		return
	}
	if l, ok := q.leg.(*link); ok && l.over() != nil {
		o.unused()
		q.release()
		m.s.Refuse(q.id, l.over())
		c.FlushAfter(m.s)
		return
	}
	if err := by.pass.check(m, by.want()); err != nil {
		o.unused()
		q.refuse(err)
		return
	}
	if o == nil {
		q.settle(c)
	} else if q.launch(o, c) {
		p.pump(c)
	}
}

// settle finds a provider, or has the request wait.
func (q *request) settle(by flusher) {
	p := q.p
	p.mu.Lock()
	s, v := p.g.Pick(q.key, p.now())
	full := v == balance.Wait && !(p.reserveLocked(q) && p.g.Push(q, q.key))
	waiting := p.g.Waiting()
	p.mu.Unlock()
	switch {
	case v == balance.Taken:
		if q.launch(s.Who(), by) {
			p.pump(by)
		}
	case v == balance.Nobody:
		q.refuse(q.stranded())
	case full:
		p.h.count.refused.Add(1)
		q.refuse(status.Errorf(status.Overloaded, "all providers of %s/%s have as many calls as they take, and no more than %d can wait: try again later", p.at.channel, p.at.name, waiting))
	case q.leg.givenUp():
		q.withdraw() // the caller gave up before the request was in the line
	}
}

// withdraw takes a request whose caller has given up out of the line, if it is there.
func (q *request) withdraw() {
	q.p.mu.Lock()
	waits := q.p.g.Drop(q)
	q.p.mu.Unlock()
	if waits {
		q.refuse(gaveUp())
	}
}

func gaveUp() error { return &status.Error{Code: status.Cancelled, Message: "the caller gave up"} }

// stranded is what the caller is told if nobody is left.
func (q *request) stranded() error {
	if q.attempt > 1 {
		return status.Errorf(status.PeerGone, "the provider of %s/%s went away, and nobody else provides it", q.p.at.channel, q.p.at.name)
	}
	return q.p.nobody()
}

// refuse answers the call with an error.
func (q *request) refuse(err error) {
	q.lost(err)
	q.leg.fail(q.id, q.doubt(err))
	q.release()
}

// doubt returns what the caller is told: that a call was sent before to somebody who died
// makes it unknown whether it took effect, whatever became of it later. q may be nil.
func (q *request) doubt(err error) error {
	if q == nil || q.attempt == 1 || !status.Retryable(err) {
		return err
	}
	e := *status.Convert(err)
	e.Retry = status.RetryUnsafe
	return &e
}

// reserveLocked counts the memory of a request that is kept; false if there is no more for
// the requests of the pool. One is kept whatever its length.
func (p *pool) reserveLocked(q *request) bool {
	if !q.kept && (p.bytes == 0 || p.bytes+q.size <= p.h.cfg.DefaultQueueBytes) {
		q.kept = true
		p.bytes += q.size
	}
	return q.kept
}

func (p *pool) reserve(q *request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reserveLocked(q)
}

// hold keeps the memory until release has been called once more.
func (q *request) hold() {
	q.p.mu.Lock()
	defer q.p.mu.Unlock()
	q.holds++
}

// release gives the memory back with the last hold. Whoever has decided that the request is
// sent no more calls it, and who has called hold.
func (q *request) release() {
	q.p.mu.Lock()
	q.holds--
	last := q.holds == 0
	if last && q.kept {
		q.kept = false
		q.p.bytes -= q.size
	}
	q.p.mu.Unlock()
	if last && q.buf != nil {
		q.buf.Release()
	}
}

// launch sends the request to a provider that has got it. freed says that it was not made
// there, so that others may get a turn.
func (q *request) launch(o *offer, by flusher) (freed bool) {
	if !q.leg.assign(q.id, o) {
		o.free()
		q.refuse(gaveUp())
		return true
	}
	if !o.m.grants.Load().May(auth.VerbProvide, q.p.at.channel, q.p.at.name) {
		return q.sent(o, 0, errBarred, by)
	}
	q.twice = q.shape == wire.Unary && (q.may || o.idempotent.Load()) && q.p.reserve(q)
	once := !q.twice // when it has been sent, q may be on its way to another provider
	q.hold()
	l := letter{shape: q.shape, flags: q.flags, msg: q.msg, expires: q.expires}
	return q.p.h.mail(o, &l, q.leg, func(callee uint32, err error, slowly bool) bool {
		defer q.release()
		if err == nil && once {
			q.release()
		}
		if !slowly {
			return q.sent(o, callee, err, by)
		}
		if q.sent(o, callee, err, nil) {
			q.p.pump(nil)
		}
		return false
	})
}

// sent goes on when the request was sent, or could not be.
func (q *request) sent(o *offer, callee uint32, err error, by flusher) (freed bool) {
	switch {
	case err == nil:
		if q.leg.begun(q.id, callee, o) {
			o.route.Quit(callee, q.leg.why())
		}
		flush(by, o.m.s)
		return false
	case o.leaving(err):
		o.pool.dismiss(o.m)
		o.free()
		q.settle(by)
	default:
		o.free()
		q.refuse(o.unreached(err))
	}
	return true
}

// leaving reports whether err, for which a request could not be sent, says that the provider
// takes no more calls.
func (o *offer) leaving(err error) bool {
	return o.m.s.Err() != nil || status.CodeOf(err) == status.Unavailable
}

// again reports whether a request whose provider has gone with err is to be sent to another,
// and makes it ready for that.
func (q *request) again(o *offer, err error) bool {
	if err == nil || q == nil || !q.twice || err != o.m.s.Err() || q.attempt >= q.p.h.cfg.MaxAttempts { //nolint:errorlint // the very value: the session has ended
		return false
	}
	ext, ok := withAttempt(q.msg.Ext, q.attempt+1)
	if ok {
		q.msg.Ext = ext
		q.attempt++
	}
	return ok
}

// withAttempt returns extensions with the header that tells the provider's number; false if
// there is no room for it.
func withAttempt(ext []byte, n int) ([]byte, bool) {
	var rest []byte
	var pairs []wire.Pair
	for len(ext) > 0 {
		typ, data, more, err := wire.NextExtension(ext)
		if err != nil || typ == 0 {
			break
		}
		if typ == wire.ExtHeaders {
			for _, p := range session.Headers(ext[:len(ext)-len(more)]) {
				if p.Key != operation.HeaderAttempt {
					pairs = append(pairs, p)
				}
			}
		} else {
			rest = wire.AppendExtension(rest, typ, data)
		}
		ext = more
	}
	data, ok := wire.AppendHeaders(nil, append(pairs, wire.Pair{Key: operation.HeaderAttempt, Value: strconv.Itoa(n)}))
	if !ok {
		return nil, false
	}
	rest = wire.AppendExtension(rest, wire.ExtHeaders, data)
	return rest, len(rest) <= wire.MaxExtensions
}

// resend sends a request to another provider.
func (q *request) resend() {
	q.p.h.count.resent.Add(1)
	q.settle(nil)
}

// elsewhere deals with a call that could not be sent on to o, whose pool has others.
func (m *Member) elsewhere(c *session.Call, o *offer, l *link, err error) {
	if !o.leaving(err) {
		o.unused()
		if l.finish(c.ID) {
			m.s.Refuse(c.ID, m.hub.count.fail(o.unreached(err)))
			c.FlushAfter(m.s)
		}
		return
	}
	o.pool.dismiss(o.m)
	o.free()
	q := &request{p: o.pool, leg: l, id: c.ID, shape: wire.Unary, flags: wire.FlagEnd, attempt: 1, holds: 1, may: c.Idempotent()}
	q.key = keyOf(c.Ext)
	q.keep(c)
	l.mu.Lock()
	l.req, l.offer = q, nil
	l.mu.Unlock()
	q.settle(c)
	o.pool.pump(c)
}

// keep keeps what a call is made of.
func (q *request) keep(c *session.Call) {
	q.msg, q.buf = c.Keep()
	q.size = len(q.msg.Payload) + len(q.msg.Ext) + wire.MessageCost
	q.msg.Source = q.leg.caller().number
	if left := c.Remaining(); left > 0 {
		q.expires = time.Now().Add(left)
	}
}

// seen says that the provider has answered, or gone.
func (l *link) seen(o *offer, q *request, began time.Time, err error) {
	if q != nil && q.twice {
		q.release()
	}
	if err != nil {
		o.ended(began, err, nil)
		return
	}
	o.ended(began, nil, o.m.s)
}

func (l *link) caller() *Member { return l.m }

func (l *link) assign(id uint32, o *offer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy || l.id != id || l.cancelled {
		return false
	}
	l.offer, l.running, l.stop, l.began = o, false, nil, o.began()
	return true
}

func (l *link) begun(id, callee uint32, o *offer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy || l.id != id || l.offer != o {
		return l.barred != nil && l.offer == o // answered already, or on its way to another provider
	}
	l.running, l.callee, l.stop = true, callee, nil
	return l.cancelled
}

func (l *link) fail(id uint32, err error) {
	if l.finish(id) {
		l.m.s.Refuse(id, l.m.hub.count.fail(err))
		l.m.s.FlushNow()
	}
}

func (l *link) givenUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.busy || l.cancelled
}

func (l *link) drop(id uint32) { l.finish(id) }

func (r *relay) caller() *Member { return r.m }

func (r *relay) assign(_ uint32, o *offer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancelled || r.over {
		return false
	}
	r.goesTo(o)
	return true
}

func (r *relay) begun(_, callee uint32, _ *offer) bool { return r.started(callee) }

func (r *relay) fail(_ uint32, err error) {
	r.mu.Lock()
	r.finishLocked(&final{err: err})
	r.mu.Unlock()
	r.m.s.FlushNow()
}

func (r *relay) givenUp() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cancelled || r.over
}

func (r *relay) why() *status.Error { return nil } // who has streams is not asked again

func (r *relay) drop(uint32) {}
