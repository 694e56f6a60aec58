// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/hub/balance"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// pool is the providers of a method that has a group, or whose provider has a capacity: who
// of them gets a call, and which calls wait. It is what the method's offer leads to, which
// has no member of its own; each provider has an offer besides, with a seat in the pool.
//
// Its lock is taken under the hub's, or alone, and never held over I/O.
type pool struct {
	h     *Hub
	at    place
	front *offer // what the method's name leads to

	timed atomic.Bool // the policy wants to know how long calls take

	mu    sync.Mutex
	g     *balance.Group[*offer, *request]
	bytes int // of the requests that wait, or are kept until they are answered
}

// seat is an offer's place in a pool.
type seat = balance.Seat[*offer]

// newPool returns the offer of a method that has a pool.
func (h *Hub) newPool(at place, s operation.Sharing) *offer {
	front := &offer{toll: h.rooms[at.channel].toll}
	front.pool = &pool{h: h, at: at, front: front, g: balance.New[*offer, *request](policyOf(s), h.cfg.MaxWaiting, rand.Uint64())}
	return front
}

func policyOf(s operation.Sharing) balance.Policy {
	if s.Balance == "" {
		return balance.LeastActive
	}
	return balance.Policy(s.Balance)
}

// admit gives a member a seat, or changes the one it has. Calls that wait may get a turn.
func (p *pool) admit(m *Member, s operation.Sharing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.g.SetPolicy(policyOf(s))
	p.timed.Store(policyOf(s) == balance.TwoChoices)
	if o := p.ofLocked(m); o != nil {
		o.idempotent.Store(s.Idempotent)
		p.g.Resize(o.seat, s.Capacity)
		return
	}
	o := newOffer(m, wire.ClassMethod, p.at, p.front.toll)
	o.pool = p
	o.idempotent.Store(s.Idempotent)
	o.checks.Store(p.front.checks.Load())
	o.seat = p.g.Add(m.id, o, s.Capacity)
}

// ofLocked returns the offer of a member, nil if it has none.
func (p *pool) ofLocked(m *Member) *offer {
	for _, s := range p.g.Seats() {
		if s.Who().m == m {
			return s.Who()
		}
	}
	return nil
}

func (p *pool) of(m *Member) *offer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ofLocked(m)
}

// dismiss ends the seat of a member and returns how many there are. What it has in flight
// goes on.
func (p *pool) dismiss(m *Member) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.ofLocked(m); o != nil {
		o.gone.Store(true)
		p.g.Remove(o.seat)
	}
	return len(p.g.Seats())
}

// everybody returns all offers.
func (p *pool) everybody() []*offer {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*offer, 0, len(p.g.Seats()))
	for _, s := range p.g.Seats() {
		all = append(all, s.Who())
	}
	return all
}

// home returns who gets the events of a sender: always the same, as long as it is there.
func (p *pool) home(sender string) *offer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.g.Home(balance.KeyOf([]byte(sender))); s != nil {
		return s.Who()
	}
	return nil
}

// counts returns how many calls are in flight, and wait.
func (p *pool) counts() (active, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.g.Active(), p.g.Waiting()
}

// pick chooses who gets a call. all says that everybody does.
func (p *pool) pick(ext []byte) (o *offer, k balance.Key, all bool, v balance.Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.g.Policy() {
	case balance.All:
		return nil, k, true, balance.Nobody
	case balance.Sticky:
		k = keyOf(ext)
	}
	s, v := p.g.Pick(k, p.now())
	if s != nil {
		o = s.Who()
	}
	return o, k, false, v
}

// now returns the time if the policy wants to know it.
func (p *pool) now() time.Time {
	if p.timed.Load() {
		return p.h.cfg.Now()
	}
	return time.Time{}
}

// keyOf returns the key of a call.
func keyOf(ext []byte) balance.Key {
	if len(ext) == 0 {
		return balance.Key{}
	}
	return balance.KeyOf(wire.FindHeader(ext, operation.HeaderKey))
}

// force counts a call that its caller has directed to the member of the offer.
func (o *offer) force() {
	if o.seat != nil {
		o.pool.mu.Lock()
		defer o.pool.mu.Unlock()
		o.pool.g.Force(o.seat)
	}
}

// free says that a call that the offer had got was not made. Who calls it has the pool pumped.
func (o *offer) free() {
	if o.seat != nil {
		o.pool.mu.Lock()
		defer o.pool.mu.Unlock()
		o.pool.g.Undo(o.seat)
	}
}

// unused is free, with those that wait in mind. o may be nil.
func (o *offer) unused() {
	if o != nil && o.seat != nil {
		o.free()
		o.pool.pump(nil)
	}
}

// began returns when a call of the offer begins, if that is of interest.
func (o *offer) began() time.Time {
	if o.seat == nil {
		return time.Time{}
	}
	return o.pool.now()
}

// ended says that a call that began at some time has ended, and gives those that wait their
// turn. by tells which session flushes what is sent, nil that it is to be flushed at once.
func (o *offer) ended(began time.Time, err error, by flusher) {
	if o.seat == nil {
		return
	}
	p := o.pool
	p.mu.Lock()
	if err != nil && o.m.s.Err() != nil && p.g.Remove(o.seat) {
		o.seat.Who().gone.Store(true) // before anything is sent there again: the directory learns it in a moment
	}
	now := p.now()
	var took time.Duration
	if !began.IsZero() && !now.IsZero() {
		took = now.Sub(began)
	}
	p.g.Done(o.seat, took, troubled(err), now)
	waiting := p.g.Waiting() > 0
	p.mu.Unlock()
	if waiting {
		p.pump(by)
	}
}

// troubled reports whether an answer tells that the provider is not well, rather than that
// the request was wrong.
func troubled(err error) bool {
	switch status.CodeOf(err) {
	case status.Overloaded, status.Unavailable, status.Internal, status.UnknownMethod, status.LimitExceeded:
		return err != nil
	}
	return false
}

// flusher has what was sent to a session flushed: a *session.Session that is reading, or a
// call that it is serving.
type flusher interface{ FlushAfter(to *session.Session) }

func flush(by flusher, to *session.Session) {
	if by == nil {
		to.FlushNow()
		return
	}
	by.FlushAfter(to)
}

// nobody is what callers are told when the last provider has gone.
func (p *pool) nobody() error {
	return status.Errorf(status.NoProvider, "nobody provides %s/%s", p.at.channel, p.at.name)
}

// pump sends the calls that may go now. If nobody is left it fails those that wait.
func (p *pool) pump(by flusher) {
	for {
		p.mu.Lock()
		q, s, ok := p.g.Next(p.now())
		var stranded []*request
		if len(p.g.Seats()) == 0 {
			stranded = p.g.Drain()
		}
		p.mu.Unlock()
		for _, q := range stranded {
			q.refuse(q.stranded())
		}
		if !ok {
			return
		}
		q.launch(s.Who(), by)
	}
}

// group passes a call on to who of a group gets it.
func (m *Member) group(c *session.Call, p *pool, by *caller) {
	o, k, all, v := p.pick(c.Ext)
	switch {
	case all:
		m.gather(c, p)
	case v == balance.Nobody:
		c.Fail(m.hub.count.fail(p.nobody()))
	case v == balance.Taken && c.Shape() == wire.Unary && !o.idempotent.Load() && !c.Idempotent():
		m.unary(c, o, by)
	default:
		m.request(c, p, k, o, by)
	}
}

// provideLocked enters a provider that the directory has taken.
func (h *Hub) provideLocked(c *change, at place, after *aftermath) {
	o, shared := h.offers[at], c.Sharing.Group != "" || c.Sharing.Capacity > 0
	if o != nil && o.pool == nil && shared {
		o.gone.Store(true) // the only provider has made a group of it: routes look again
		o = nil
	}
	switch {
	case o == nil && shared:
		o = h.newPool(at, c.Sharing)
		h.offers[at] = o
	case o == nil:
		h.offers[at] = newOffer(c.Member, wire.ClassMethod, at, h.rooms[at.channel].toll)
		return
	case o.pool == nil:
		return
	}
	o.pool.admit(c.Member, c.Sharing)
	after.pumped = append(after.pumped, o.pool)
}

// withdrawLocked takes a provider out that the directory has let go.
func (h *Hub) withdrawLocked(c *change, at place, after *aftermath) {
	o := h.offers[at]
	if o == nil { // the pool went with the last provider that lived, before this one had left
		return
	}
	if o.pool != nil {
		after.pumped = append(after.pumped, o.pool)
		if o.pool.dismiss(c.Member) > 0 {
			return
		}
	}
	o.gone.Store(true)
	delete(h.offers, at)
}

// checkLocked sets what judges the messages of a method: for all its providers.
func (h *Hub) checkLocked(at place, checks *schema.Checks) {
	o := h.offers[at]
	o.checks.Store(checks)
	if o.pool != nil {
		for _, each := range o.pool.everybody() {
			each.checks.Store(checks)
		}
	}
}

// explore is directory.Explore, with what is going on.
func (m *Member) explore(in operation.Query) (operation.Exploration, error) {
	if err := guard.Named(in.Channel); err != nil {
		return operation.Exploration{}, err
	}
	h := m.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	if err := h.mayLocked(in.Channel, m); err != nil {
		return operation.Exploration{}, err
	}
	out, err := h.dir.Explore(in)
	for i := range out.Methods {
		x := &out.Methods[i]
		if o := h.offers[place{in.Channel, x.Name}]; o != nil && o.pool != nil {
			x.Active, x.Waiting = o.pool.counts()
		}
	}
	return out, err
}

// waitingLocked returns how many calls wait for a provider.
func (h *Hub) waitingLocked() (n uint64) {
	for _, o := range h.offers {
		if o.pool != nil {
			_, w := o.pool.counts()
			n += uint64(w)
		}
	}
	return n
}
