// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// Router gives the routes that a peer binds their meaning. Bind runs on the goroutine
// that reads and must not block.
type Router interface {
	// Bind returns what serves the route. What it may do is checked here, once: an error
	// is what all calls on the route are answered with, and refuses a route for events or
	// publications. A refused route is asked for again at its next use.
	Bind(s *Session, b wire.Bind) (Target, error)
}

// Target serves a route. Its methods run on the goroutine that reads.
type Target interface {
	// Call serves a call. It may take its time: after about a millisecond, or when it
	// waits in a function of this package, another goroutine goes on reading. When it
	// returns the call must have been answered, or detached.
	Call(c *Call)
	// Receive takes an event or a publication, in the order of the lane. It must not
	// block. Credit for f is given back when it returns, unless it has called Hold.
	Receive(s *Session, f *Frame)
}

// Canceller is told when the caller of a detached call gives up or goes away. It is
// called at most once and must not block.
type Canceller interface {
	Cancelled(reason *status.Error)
}

// inbound is what the peer has begun: routes, and those calls that outlive the reading of
// their frame. A call that is answered while the reading goroutine runs its handler never
// enters the table.
type inbound struct {
	mu     sync.Mutex
	routes []*inRoute   // index is number - 1; guarded by mu, written by who reads
	table  []entry      // by slot of the peer's id
	used   atomic.Int32 // entries in table
	count  atomic.Int32 // open calls: used, and long answers that are being sent; written under mu
	queue  []queued
	waits  atomic.Int32 // length of queue
	ended  *status.Error
	idle   chan struct{} // closed when nothing is open; nil if nobody waits

	// owned by who reads
	partial map[uint64]*assembly
	bytes   int // in partial
	held    int // memory that these keep
}

// entry is a call of the peer that is open.
type entry struct {
	id     uint32
	used   bool
	who    Canceller
	stream *Stream
	told   bool // that the caller has given up
}

// queued is a request that waits for its turn.
type queued struct {
	buf  *transport.Buffer
	call *Call
	size int
}

func (in *inbound) entryLocked(id uint32) *entry {
	n := slotOf(id)
	if n >= uint32(len(in.table)) {
		return nil
	}
	e := &in.table[n]
	if !e.used || e.id != id {
		return nil
	}
	return e
}

// addLocked enters a call; false if its slot is taken, which a correct peer never does.
func (in *inbound) addLocked(id uint32, who Canceller, stream *Stream) bool {
	n := int(slotOf(id))
	if n >= len(in.table) {
		in.table = append(in.table, make([]entry, n+1-len(in.table)+len(in.table)/2)...)
	}
	if old := &in.table[n]; old.used {
		if !old.answered() {
			return false
		}
		in.used.Add(-1)
		in.count.Add(-1)
	}
	in.table[n] = entry{id: id, used: true, who: who, stream: stream}
	in.used.Add(1)
	in.count.Add(1)
	return true
}

// answered reports whether the call's answer has just left, and its handler has not come
// to say so.
func (e *entry) answered() bool {
	c, ok := e.who.(*Call)
	return ok && c.answered.Load()
}

// uses reports whether a call is open in the slot of an id.
func (in *inbound) uses(id uint32) bool {
	if in.used.Load() == 0 {
		return false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	n := slotOf(id)
	return n < uint32(len(in.table)) && in.table[n].used && !in.table[n].answered()
}

// removeLocked takes a call out and returns what was entered.
func (in *inbound) removeLocked(id uint32) (entry, bool) {
	e := in.entryLocked(id)
	if e == nil {
		return entry{}, false
	}
	old := *e
	*e = entry{}
	in.used.Add(-1)
	in.count.Add(-1)
	return old, true
}

// adoptLocked enters the call of a handler that loses the reading goroutine.
func (in *inbound) adoptLocked(c *Call) {
	if !c.finished.Load() && !c.entered && !c.detached {
		c.entered = in.addLocked(c.ID, c, nil)
	}
}

// open returns how many calls of the peer are open.
func (in *inbound) open() int {
	return int(in.count.Load())
}

// whenIdle returns a channel that is closed when no call of the peer is open.
func (in *inbound) whenIdle() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.idle == nil {
		in.idle = make(chan struct{})
	}
	ch := in.idle
	in.notifyLocked()
	return ch
}

// notifyLocked tells who waits for idleness.
func (in *inbound) notifyLocked() {
	if in.idle != nil && in.count.Load() == 0 {
		close(in.idle)
		in.idle = nil
	}
}

// close cancels everything that is open. Handlers end by their context.
func (in *inbound) close(reason *status.Error) {
	in.mu.Lock()
	in.ended = reason
	var open []entry
	for i := range in.table {
		if in.table[i].used {
			open = append(open, in.table[i])
			in.table[i] = entry{}
		}
	}
	in.count.Add(-in.used.Swap(0))
	waiting := in.queue
	in.queue = nil
	in.waits.Store(0)
	in.mu.Unlock()
	for _, e := range open {
		if !e.told {
			e.cancel(reason)
		}
	}
	for _, q := range waiting {
		q.call.s.cfg.Gate.dequeued(q.size)
		q.buf.Release()
	}
}

// cancelLocked notes that the caller of a call has given up and returns whom to tell, once.
func (in *inbound) cancelLocked(id uint32, reason *status.Error) (whom entry, ok bool) {
	e := in.entryLocked(id)
	if e == nil || e.told {
		return entry{}, false
	}
	e.told = true
	if c, ok := e.who.(*Call); ok {
		c.reason.CompareAndSwap(nil, reason) // here, so that Detach sees it
	}
	return *e, true
}

// abandon cancels the handler that runs on the reading goroutine when the session ends: it
// is in no table. Another goroutine sees the peer off.
func (t *turn) abandon(reason *status.Error) {
	state := t.state.Load()
	c := t.current.Load() // that of state, if the swap succeeds
	if state&(turnRuns|turnLost) == turnRuns && t.state.CompareAndSwap(state, state|turnLost) {
		t.s.cfg.Gate.running.Add(1)
		t.s.wg.Add(1) // Wait waits for us, too
		go t.s.read(newTurn(t.s))
		c.Cancelled(reason)
	}
}

func (e *entry) cancel(reason *status.Error) {
	if e.stream != nil {
		e.stream.cancelled(reason)
	}
	if e.who != nil {
		e.who.Cancelled(reason)
	}
}

// inRoute is a route that the peer has bound.
type inRoute struct {
	s    *Session
	num  uint32
	bind wire.Bind

	binding uint64 // the peer's number for this BIND

	target Target        // set before anybody else knows the route
	runs   RunTarget     // target, if it is one
	err    *status.Error // why target is nil

	taken   uint64      // credit used up by what was received; owned by who reads, like …
	limit   uint64      // … granted, as it was when last looked at
	revoked atomic.Bool // the peer was told that it is over

	mu       sync.Mutex
	consumed uint64
	granted  uint64
	last     uint64 // lane sequence taken
}

// bind answers a BIND.
func (s *Session) bind(h *wire.Header, payload []byte) error {
	b, err := wire.ParseBind(payload)
	if err != nil {
		return err
	}
	if h.Route == 0 || h.Route > uint32(s.cfg.MaxRoutes) {
		return status.Errorf(status.Protocol, "peer bound route %d, allowed are 1 to %d", h.Route, s.cfg.MaxRoutes)
	}
	r := &inRoute{s: s, num: h.Route, binding: h.Sequence, bind: b, granted: uint64(s.cfg.RouteWindow)}
	s.resolve(r)
	in := &s.in
	in.mu.Lock()
	defer in.mu.Unlock()
	for uint32(len(in.routes)) < h.Route {
		in.routes = append(in.routes, nil)
	}
	in.routes[h.Route-1] = r
	return nil
}

// rebind asks the router anew what a route that calls come by means. Calls under way keep theirs.
func (s *Session) rebind(old *inRoute) *inRoute {
	r := &inRoute{s: s, num: old.num, binding: old.binding, bind: old.bind, taken: old.taken, limit: old.limit}
	old.mu.Lock()
	r.consumed, r.granted, r.last = old.consumed, old.granted, old.last
	old.mu.Unlock()
	s.resolve(r)
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.routes[r.num-1] = r
	return r
}

// resolve asks the router what the route means.
func (s *Session) resolve(r *inRoute) {
	var target Target
	var err error = status.Errorf(status.UnknownMethod, "this side serves nothing: no %s", Describe(r.bind))
	switch {
	case r.bind.Class == wire.ClassLabel:
		err = nil
	case r.bind.Class == 0 || r.bind.Class > wire.ClassLabel:
		err = status.Errorf(status.InvalidArgument, "a route of class %d, which is not known", r.bind.Class)
	case s.cfg.Router != nil:
		target, err = s.cfg.Router.Bind(s, r.bind)
	}
	r.target, r.err = target, status.Convert(err)
	r.runs, _ = target.(RunTarget)
	if r.err != nil && r.bind.Class != wire.ClassMethod {
		s.later(wire.Header{Kind: wire.KindRevoke, Flags: wire.FlagEnd, Route: r.num, Sequence: r.binding}, nil, appendStatus(nil, r.err))
	}
}

// inRouteOf returns the route a frame came by, nil if it is not bound.
func (s *Session) inRouteOf(n uint32) *inRoute {
	// routes is written only by who reads, which is who calls this: no lock is needed.
	if n == 0 || n > uint32(len(s.in.routes)) {
		return nil
	}
	return s.in.routes[n-1]
}

// Revoke tells the peer that a route for events or publications has ended, with a reason:
// permission was withdrawn, or the target is gone. The peer may bind it anew. A method's
// target answers its calls itself.
func (s *Session) Revoke(target Target, reason *status.Error) {
	s.in.mu.Lock()
	var ended []wire.Header
	for _, r := range s.in.routes {
		if r != nil && r.target == target && !r.revoked.Swap(true) {
			ended = append(ended, wire.Header{Kind: wire.KindRevoke, Flags: wire.FlagEnd, Route: r.num, Sequence: r.binding})
		}
	}
	s.in.mu.Unlock()
	for _, h := range ended {
		s.control(h, appendStatus(nil, reason))
	}
}

// Hold keeps the credit of an event or publication. The returned function gives it back,
// from any goroutine, exactly once.
func (f *Frame) Hold() *Held {
	h := &Held{r: f.route, n: cost(len(f.Payload)), seq: f.Sequence}
	f.route = nil
	return h
}

// Held is the credit of a message that has been received but not consumed.
type Held struct {
	r   *inRoute
	n   uint64
	seq uint64
}

// Consumed gives the credit back. A nil Held has none.
func (h *Held) Consumed() {
	if h != nil {
		h.r.consume(h.n, h.seq)
	}
}

// ConsumedSoon is Consumed that never flushes: another goroutine does, so that it may be
// called under any lock.
func (h *Held) ConsumedSoon() {
	if h == nil {
		return
	}
	if c := h.r.count(h.n, h.seq); c.Limit != 0 {
		h.r.s.later(wire.Header{Kind: wire.KindCredit, Route: h.r.num, Sequence: h.r.binding}, nil, wire.AppendCredit(nil, c))
		h.r.s.FlushSoon()
	}
}

// consume gives credit back and tells the peer once half a window has gathered.
func (r *inRoute) consume(n, seq uint64) {
	if c := r.count(n, seq); c.Limit != 0 {
		r.s.control(wire.Header{Kind: wire.KindCredit, Route: r.num, Sequence: r.binding}, wire.AppendCredit(nil, c))
	}
}

// count counts credit as given back and returns what the peer is to be told, the zero Credit
// if that is nothing yet.
func (r *inRoute) count(n, seq uint64) wire.Credit {
	window := uint64(r.s.cfg.RouteWindow)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.consumed += n
	r.last = max(r.last, seq)
	limit := r.consumed + window
	if limit-r.granted < window/2 {
		return wire.Credit{}
	}
	r.granted = limit
	return wire.Credit{Limit: limit, Acked: r.last}
}
