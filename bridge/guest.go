// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Bounds of a guest.
const (
	maxJobs  = 1024             // publications that wait before the feed does
	idleTime = 30 * time.Second // a guest without a seat stays so long after its last use
	redial   = 10 * time.Millisecond
	maxDial  = time.Second
	undone   = 2 * time.Second // how long a publication waits for its topic to be declared
)

// guest is a member of the hub of side, in the place of one of the other side. It has a session
// of its own and one goroutine, which does everything in order.
type guest struct {
	at     *side
	id     string
	origin string // hub
	life   string // the Session of who it stands for, "" if that is not known
	ctx    context.Context
	cancel context.CancelFunc

	want map[string]*seat // guarded by l.mu

	mu    sync.Mutex
	jobs  []*job
	room  chan struct{} // closed when jobs were taken; nil if nobody waits
	s     *session.Session
	ready chan struct{} // closed when s is there
	used  int           // calls under way

	who    *plexus.Client              // that has s
	opened map[string]*session.Session // channels that were unlocked, and where
	over   bool                        // nothing is done any more

	wake chan struct{}

	// of its goroutine
	c      *plexus.Client
	has    map[string]*seat
	routes map[wire.Bind]*session.Route
}

// job is a message to emit, or a seat to take.
type job struct {
	bind wire.Bind
	m    session.Message
	buf  interface{ Release() } // what m is in, may be nil
	held *session.Held          // credit, may be nil
	fail func(error)            // told if it was not taken; may be nil

	channel string // of the seat, "" for a message
	seat    *seat  // nil: to leave
	present bool   // the guest was in the channel when the seat was decided on
}

func (j *job) done() {
	if j.buf != nil {
		j.buf.Release()
	}
	j.held.Consumed()
}

// guestLocked makes a guest at s; nil if there are too many.
func (s *side) guestLocked(id, life string) *guest {
	l := s.l
	if len(s.guests) >= l.b.cfg.MaxGuests || l.ctx.Err() != nil {
		return nil
	}
	_, origin := operation.Origin(id)
	g := &guest{
		at: s, id: id, origin: origin, life: life, want: make(map[string]*seat),
		ready: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	g.ctx, g.cancel = context.WithCancel(l.ctx)
	s.guests[id] = g
	l.wg.Go(g.run)
	return g
}

func (g *guest) stop()         { g.cancel() }
func (g *guest) stopped() bool { return g.ctx.Err() != nil }

func (g *guest) channelsLocked() []string { return slices.Collect(maps.Keys(g.want)) }

// seatLocked has the guest take a seat in a channel, or leave it: nil.
func (g *guest) seatLocked(channel string, s *seat, present bool) {
	if s == nil {
		delete(g.want, channel)
	} else {
		g.want[channel] = s
	}
	g.put(&job{channel: channel, seat: s, present: present}, false)
}

// put gives the guest something to do. With wait it waits for room in the queue, which seats
// and messages whose credit is held do not: there are only so many of them.
func (g *guest) put(j *job, wait bool) {
	for {
		g.mu.Lock()
		if g.over {
			g.mu.Unlock()
			g.lose(j, g.gone())
			return
		}
		if !wait || len(g.jobs) < maxJobs || g.stopped() {
			g.jobs = append(g.jobs, j)
			g.mu.Unlock()
			g.signal()
			return
		}
		if g.room == nil {
			g.room = make(chan struct{})
		}
		room := g.room
		g.mu.Unlock()
		select {
		case <-room:
		case <-g.ctx.Done():
		}
	}
}

func (g *guest) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// run lives the guest's life, session after session.
func (g *guest) run() {
	defer g.end()
	wait := redial
	for g.ctx.Err() == nil {
		err := g.dial()
		if err == nil {
			wait = redial
			if err = g.live(); err == nil {
				return
			}
		}
		g.at.l.b.cfg.Log.Debug("guest has no session", "guest", g.id, "hub", g.at.hub, "error", err)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-g.ctx.Done():
			t.Stop()
		}
		if wait = min(2*wait, maxDial); wait == maxDial {
			g.shed(err)
		}
	}
}

// dial makes the session.
func (g *guest) dial() error {
	l := g.at.l
	l.mu.Lock()
	seats := maps.Clone(g.want)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(g.ctx, opTime)
	defer cancel()
	c, err := g.at.dial(ctx, g.id, map[string]string{
		operation.MetaLink: g.at.id, operation.MetaSession: g.life,
	}, g)
	if err != nil {
		return err
	}
	s, err := c.Session(ctx)
	if err != nil {
		c.Close()
		return err
	}
	g.c, g.has, g.routes = c, make(map[string]*seat), make(map[wire.Bind]*session.Route)
	for channel, seat := range seats {
		g.sit(&job{channel: channel, seat: seat})
	}
	g.mu.Lock()
	g.s, g.who = s, c
	close(g.ready)
	g.mu.Unlock()
	return nil
}

// live does the jobs while the session lasts. nil means that the guest is not needed any more.
func (g *guest) live() error {
	defer func() {
		g.mu.Lock()
		g.s, g.ready = nil, make(chan struct{})
		g.mu.Unlock()
		g.c.Close()
	}()
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		if j := g.next(); j != nil {
			g.do(j)
			idle.Reset(idleTime)
			continue
		}
		select {
		case <-g.wake:
		case <-g.c.Done():
			return g.c.Err()
		case <-g.ctx.Done():
			return nil
		case <-idle.C:
			if g.retire() {
				return nil
			}
			idle.Reset(idleTime)
		}
	}
}

// retire ends a guest that nobody needs.
func (g *guest) retire() bool {
	l := g.at.l
	l.mu.Lock()
	defer l.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.want) > 0 || len(g.jobs) > 0 || g.used > 0 {
		return false
	}
	g.cancel()
	return true
}

// end forgets the guest, and what it has not done.
func (g *guest) end() {
	g.cancel()
	l := g.at.l
	l.mu.Lock()
	current := g.at.guests[g.id] == g
	if current {
		delete(g.at.guests, g.id)
	}
	for channel := range g.want {
		g.at.leadLocked(channel)
		if l.ctx.Err() == nil {
			l.rooms[channel] = struct{}{}
		}
	}
	l.mu.Unlock()
	l.signal()
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
	for j := g.next(); j != nil; j = g.next() {
		g.lose(j, g.gone())
	}
}

func (g *guest) gone() error {
	return &status.Error{Code: status.Unavailable, Message: "the way to hub " + g.at.hub + " is another"}
}

// shed drops the messages that wait for a session that cannot be had, so that others go on.
func (g *guest) shed(err error) {
	g.mu.Lock()
	var lost []*job
	g.jobs = slices.DeleteFunc(g.jobs, func(j *job) bool {
		if j.channel == "" {
			lost = append(lost, j)
		}
		return j.channel == ""
	})
	if g.room != nil {
		close(g.room)
		g.room = nil
	}
	g.mu.Unlock()
	for _, j := range lost {
		g.lose(j, err)
	}
}

func (g *guest) next() *job {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.jobs) == 0 {
		return nil
	}
	j := g.jobs[0]
	g.jobs[0] = nil
	g.jobs = g.jobs[1:]
	if g.room != nil {
		close(g.room)
		g.room = nil
	}
	return j
}

func (g *guest) do(j *job) {
	if j.channel != "" {
		g.sit(j)
		return
	}
	err := g.emit(j)
	if err != nil && errors.Is(err, status.Undeclared) {
		err = g.emitLater(j, err)
	}
	if err != nil {
		g.lose(j, err)
		return
	}
	g.at.l.b.count.messages.Add(1)
	j.done()
}

// lose is for a message that was not taken.
func (g *guest) lose(j *job, err error) {
	if j.channel != "" {
		return
	}
	j.done()
	g.at.l.b.count.dropped.Add(1)
	g.at.l.b.cfg.Log.Debug("message was not taken", "guest", g.id, "hub", g.at.hub, "route", session.Describe(j.bind), "error", err)
	if j.fail != nil {
		j.fail(err)
	}
}

func (g *guest) emit(j *job) error {
	r := g.routes[j.bind]
	if r == nil {
		if len(g.routes) >= maxJobs {
			clear(g.routes)
		}
		s, err := g.c.Session(g.ctx)
		if err != nil {
			return err
		}
		if err := g.unlock(g.ctx, s, j.bind.Channel); err != nil {
			return err
		}
		r = s.Route(j.bind)
		g.routes[j.bind] = r
	}
	return r.Emit(g.ctx, j.m)
}

// emitLater waits for the topic of a publication to be declared: the news of it comes by
// another way than the publication.
func (g *guest) emitLater(j *job, err error) error {
	l := g.at.l
	ctx, cancel := context.WithTimeout(g.ctx, undone)
	defer cancel()
	l.touch(j.bind.Channel)
	for errors.Is(err, status.Undeclared) {
		t := time.NewTimer(redial)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
		g.sitAll()
		err = g.emit(j)
	}
	return err
}

// sitAll takes the seats that wait in the queue now.
func (g *guest) sitAll() {
	g.mu.Lock()
	var seats []*job
	g.jobs = slices.DeleteFunc(g.jobs, func(j *job) bool {
		if j.channel != "" {
			seats = append(seats, j)
		}
		return j.channel != ""
	})
	g.mu.Unlock()
	for _, j := range seats {
		g.sit(j)
	}
}

// sit takes a seat in a channel: what is there already stays.
func (g *guest) sit(j *job) {
	has := g.has[j.channel]
	if has != nil && !j.present { // the channel has ended meanwhile, or the news is older than the seat
		has = nil
	}
	if j.seat == nil {
		if has != nil {
			g.try(operation.Leave, operation.Place{Channel: j.channel})
		}
		delete(g.has, j.channel)
		return
	}
	if has == nil {
		if !g.enter(j.channel) || !g.try(operation.Join, operation.Place{Channel: j.channel}) {
			return
		}
		has = &seat{methods: make(map[string]json.RawMessage), topics: make(map[string]json.RawMessage)}
		g.has[j.channel] = has
	}
	g.offer(has.methods, j.seat.methods, operation.Provide, operation.Withdraw)
	g.offer(has.topics, j.seat.topics, operation.Declare, operation.Retract)
}

// offer brings what the guest offers in line with what it should. What somebody else has
// already is tried again with the next news of the channel.
func (g *guest) offer(has, want map[string]json.RawMessage, begin, end string) {
	for name, request := range has {
		if want[name] == nil {
			g.try(end, request)
			delete(has, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !bytes.Equal(has[name], want[name]) && g.try(begin, want[name]) {
			has[name] = want[name]
		}
	}
}

func (g *guest) try(op string, in any) bool {
	ctx, cancel := context.WithTimeout(g.ctx, opTime)
	defer cancel()
	err := g.c.Channel("$").Operate(ctx, op, in, nil)
	if err != nil && g.ctx.Err() == nil {
		g.at.l.b.cfg.Log.Debug("guest may not", "guest", g.id, "hub", g.at.hub, "operation", op, "error", err)
	}
	return err == nil
}

// session returns the guest's session, once it is there.
func (g *guest) session(ctx context.Context) (*session.Session, error) {
	t := time.NewTimer(opTime)
	defer t.Stop()
	for {
		g.mu.Lock()
		s, ready := g.s, g.ready
		g.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, status.Convert(ctx.Err())
		case <-t.C:
			return nil, &status.Error{Code: status.Unavailable, Message: g.id + " has no session with hub " + g.at.hub}
		case <-g.ctx.Done():
			return nil, &status.Error{Code: status.Unavailable, Message: "the way to hub " + g.at.hub + " has just gone"}
		}
	}
}

// pending returns what the guest has still to do, its session among it.
func (g *guest) pending() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.s == nil {
		return len(g.jobs) + 1
	}
	return len(g.jobs)
}

func (g *guest) use(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used += n
}
