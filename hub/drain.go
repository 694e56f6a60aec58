// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Drain refuses new members and new calls, ends watches, ends each subscription once what
// waits for it has been sent, and lets the calls that are under way end; then it closes the
// sessions. At the end of ctx it closes them at once and returns how many calls were cut, and
// ctx's error. DrainReport then tells what else was lost.
func (h *Hub) Drain(ctx context.Context) (cut int, err error) {
	h.leftovers.begin()
	all := h.shut(&status.Error{Code: status.Unavailable, Message: "the hub is shutting down"}, true)
	last := h.takeStoppers(&all)
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	counted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		for _, m := range all {
			cut += m.cutNow()
		}
		cancel()
		close(counted)
	})
	var wg sync.WaitGroup
	for _, m := range all {
		wg.Go(func() { m.drain(drain) })
	}
	wg.Wait()
	cancel()
	if !stop() {
		<-counted
		err = status.Convert(ctx.Err())
	}
	h.leftovers.cut(cut)
	h.answerStoppers(ctx, last)
	h.present.Wait()
	h.slow.Wait()
	h.dead.close()
	h.board.Wait()
	return cut, err
}

// drain ends the session of a member when nothing is under way, and nothing waits for it.
func (m *Member) drain(ctx context.Context) {
	m.s.GoAway()
	m.eventsSent(ctx)
	_, _ = m.s.Drain(ctx) // how many calls it cut has been counted
}

// cutNow returns how many calls of a member are under way: a call through the hub counts once,
// at its caller. Subscriptions that have still something to send are none.
func (m *Member) cutNow() int {
	m.hub.mu.RLock()
	defer m.hub.mu.RUnlock()
	return max(m.s.Stats().Inbound-len(m.ending), 0)
}

// eventsSent returns when no event waits for the member, or ctx or the session ends.
func (m *Member) eventsSent(ctx context.Context) {
	m.mu.Lock()
	all := make([]*emitter, 0, len(m.emitters))
	for _, e := range m.emitters {
		all = append(all, e)
	}
	m.mu.Unlock()
	sent, waiting := make(chan struct{}, len(all)), 0
	for _, e := range all {
		if e.out.WhenEmpty(func() { sent <- struct{}{} }) {
			waiting++
		}
	}
	for range waiting {
		select {
		case <-sent:
		case <-m.s.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// shut refuses new members, ends all feeds and returns the members there are. With gently,
// subscriptions end only once what waits for them has been sent.
func (h *Hub) shut(reason *status.Error, gently bool) []*Member {
	var after aftermath
	var all []*Member
	h.dead.drain()
	h.mu.Lock()
	h.closing = reason
	h.ends.Store(true)
	for _, m := range h.members {
		if m == nil {
			continue
		}
		all = append(all, m)
		for f := range m.feeds {
			h.removeFeedLocked(f, reason, &after)
		}
	}
	var gentle []ending
	if gently {
		gentle = after.gentleLocked()
	}
	h.mu.Unlock()
	after.run()
	for _, e := range gentle {
		if !e.f.out.WhenEmpty(func() { h.endFeed(e.f, e.reason) }) {
			h.endFeed(e.f, e.reason)
		}
	}
	h.cfg.Log.Info("hub shuts down", "hub", h.cfg.ID, "members", len(all))
	return all
}

// gentleLocked takes the subscriptions out of those that are to be ended, and notes with their
// members that they will end.
func (a *aftermath) gentleLocked() (gentle []ending) {
	a.ended = slices.DeleteFunc(a.ended, func(e ending) bool {
		m := e.f.m
		if e.f.pattern == "" || e.f.reader != nil {
			return false
		}
		if m.ending == nil {
			m.ending = make(map[*feed]struct{})
		}
		m.ending[e.f] = struct{}{}
		gentle = append(gentle, e)
		return true
	})
	return gentle
}

// leftovers is what a hub that drains could not deliver. It is safe for concurrent use.
type leftovers struct {
	mu   sync.Mutex
	on   bool
	sum  int
	cuts int
	of   map[operation.Undelivered]int // with Messages 0
}

func (l *leftovers) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = true
}

func (l *leftovers) cut(calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts += calls
}

// maxLeftovers bounds for how many receivers is told apart what was left.
const maxLeftovers = 64 << 10

// add notes that n messages were dropped. Nothing is noted while the hub does not drain.
func (l *leftovers) add(n int, of operation.Undelivered) {
	if n == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on {
		return
	}
	l.sum += n
	if _, known := l.of[of]; !known && len(l.of) >= maxLeftovers {
		return
	}
	if l.of == nil {
		l.of = make(map[operation.Undelivered]int)
	}
	l.of[of] += n
}

// DrainReport tells what Drain could not do in time: which calls were cut, and for whom
// publications and events waited. It is complete when Drain has returned.
func (h *Hub) DrainReport() operation.DrainReport {
	l := &h.leftovers
	l.mu.Lock()
	defer l.mu.Unlock()
	r := operation.DrainReport{CallsCut: l.cuts, Undelivered: l.sum}
	for of, n := range l.of {
		of.Messages = n
		r.Left = append(r.Left, of)
	}
	slices.SortFunc(r.Left, func(a, b operation.Undelivered) int {
		return cmp.Or(b.Messages-a.Messages, cmp.Compare(a.Member, b.Member), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Name, b.Name))
	})
	if more := len(r.Left) - operation.MaxLeft; more > 0 {
		r.Left, r.Others = r.Left[:operation.MaxLeft:operation.MaxLeft], more
	}
	return r
}

// stopper is a call of Stop that waits for the report.
type stopper struct {
	m  *Member
	id uint32
}

// Cancelled implements session.Canceller: whoever asked does not wait any more.
func (x *stopper) Cancelled(reason *status.Error) {
	h := x.m.hub
	h.mu.Lock()
	i := slices.Index(h.callers, x)
	if i >= 0 {
		h.callers = slices.Delete(h.callers, i, i+1)
	}
	h.mu.Unlock()
	if i >= 0 {
		x.m.s.Refuse(x.id, reason)
		x.m.s.FlushSoon()
	}
}

// takeStoppers returns who waits for the report, and takes their members out of all.
func (h *Hub) takeStoppers(all *[]*Member) []*stopper {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.callers
	h.callers = nil
	*all = slices.DeleteFunc(*all, func(m *Member) bool {
		return slices.ContainsFunc(last, func(x *stopper) bool { return x.m == m })
	})
	return last
}

// tellTime bounds how long it takes to tell those who wait for the report.
const tellTime = time.Second

// answerStoppers gives the report to those who wait for it, and ends their sessions.
func (h *Hub) answerStoppers(ctx context.Context, last []*stopper) {
	if len(last) == 0 {
		return
	}
	report := h.DrainReport()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, x := range last {
		x.m.s.Answer(x.id, bodyOf(operation.Stopped{Report: &report}))
		wg.Go(func() { x.m.drain(ctx) })
	}
	wg.Wait()
}

// stopHub is the operation.
func (m *Member) stopHub(c *session.Call) {
	h := m.hub
	var in operation.StopRequest
	if err := decode(c, &in, wire.Unary); err != nil {
		c.Fail(err)
		return
	}
	if !h.cfg.AllowStop || h.cfg.OnStop == nil {
		c.Fail(&status.Error{Code: status.PermissionDenied, Message: "this hub does not let members stop it"})
		return
	}
	if m.grants.Load() != nil { // who may do only this or that may not do this
		if err := m.administers(); err != nil {
			c.Fail(err)
			return
		}
	}
	drain := time.Duration(min(max(in.Drain, 0), 24*3600) * float64(time.Second))
	h.cfg.Log.Info("stop was asked for", "hub", h.cfg.ID, "member", m.id, "drain", drain)
	if in.Report {
		if !m.awaitReport(c) {
			return
		}
	} else {
		c.Reply(bodyOf(operation.Stopped{}))
	}
	h.stop.Do(func() { go h.cfg.OnStop(drain) }) // not waited for: it waits for the hub
}

// awaitReport leaves a call of Stop open until Drain is over; false if it has been answered.
func (m *Member) awaitReport(c *session.Call) bool {
	h, x := m.hub, &stopper{m: m, id: c.ID}
	h.mu.Lock()
	err := m.aliveLocked()
	if err == nil {
		h.callers = append(h.callers, x)
	}
	h.mu.Unlock()
	if err != nil {
		c.Fail(err)
		return false
	}
	if !c.Detach(x) {
		x.Cancelled(&status.Error{Code: status.Cancelled, Message: "whoever asked for the end gave up"})
		return false
	}
	return true
}
