// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// sweepLocked has the members looked after as long as there are any, or shall be.
func (p *Pool) sweepLocked() {
	if !p.sweeping {
		p.sweeping = true
		p.wg.Go(p.sweep)
	}
}

// sweepsPerPeriod is how often is looked in the shortest of the times that are to be kept.
const sweepsPerPeriod = 4

// interval returns how often is looked.
func (p *Pool) interval() time.Duration {
	d := time.Minute
	for _, v := range []time.Duration{p.cfg.IdleTimeout, p.cfg.Check} {
		if v > 0 {
			d = min(d, v)
		}
	}
	return max(d/sweepsPerPeriod, time.Millisecond)
}

// sweep looks after the members until there is nothing to look after.
func (p *Pool) sweep() {
	every := p.interval()
	t := time.NewTicker(every)
	defer t.Stop()
	unchecked, row := time.Duration(0), 0 // row: how many were opened without a pause
	for {
		a, stay := p.topUp()
		if !stay {
			return
		}
		if a != nil {
			<-a.done // soon, also at the end of p.ctx
			if row++; a.err == nil && row < p.cfg.MinIdle {
				continue
			}
		}
		row = 0
		select {
		case <-t.C:
		case <-p.ctx.Done():
			return
		}
		p.thin(every)
		if unchecked += every; p.cfg.Check > 0 && unchecked >= p.cfg.Check {
			unchecked = 0
			p.check()
		}
	}
}

// topUp opens a session if too few are idle: the attempt is to be waited for. It reports whether
// the sweeper stays.
func (p *Pool) topUp() (a *opening, stay bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := *p.members.Load()
	if p.closed || len(all) == 0 && p.attempt == nil && p.cfg.MinIdle == 0 {
		p.sweeping = false
		return nil, false
	}
	idle := 0
	for _, m := range all {
		if m.load() == 0 {
			idle++
		}
	}
	if idle >= p.cfg.MinIdle || len(all) >= p.cfg.MaxOpen {
		return nil, true
	}
	if p.attempt == nil {
		p.openLocked()
	}
	return p.attempt, true
}

// thin closes what has ended, and what has been idle too long or is idle too much.
func (p *Pool) thin(passed time.Duration) {
	var idle []*pooled
	for _, m := range *p.members.Load() {
		switch uses := m.uses.Load(); {
		case m.leaving():
			p.drop(m, &p.counts.broken)
			continue
		case m.load() > 0 || uses != m.seen:
			m.seen, m.idle = uses, 0
			continue
		}
		m.idle += passed
		idle = append(idle, m)
	}
	slices.SortStableFunc(idle, func(a, b *pooled) int { return cmp.Compare(b.idle, a.idle) })
	for i, m := range idle {
		left := len(idle) - i
		late := p.cfg.IdleTimeout > 0 && m.idle >= p.cfg.IdleTimeout && left > p.cfg.MinIdle
		if late || left > p.cfg.MaxIdle {
			p.drop(m, &p.counts.idled)
		}
	}
}

// check asks all members whether they are alive, each on a goroutine that the Pool waits for.
func (p *Pool) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range *p.members.Load() {
		s := m.cur.Load()
		if s == nil || p.closed || m.asks.Swap(true) {
			continue
		}
		p.wg.Go(func() {
			defer m.asks.Store(false)
			ctx, cancel := context.WithTimeout(p.ctx, p.cfg.CheckTimeout)
			defer cancel()
			if s.Ping(ctx) == nil || p.ctx.Err() != nil || m.leaving() {
				return
			}
			p.drop(m, &p.counts.unhealthy)
			_ = s.CloseWith(status.Errorf(status.PeerGone, "the other side did not answer a ping within %v", p.cfg.CheckTimeout))
		})
	}
}

// poolCounts are what PoolStats tells.
type poolCounts struct{ opened, failed, idled, broken, unhealthy, moved atomic.Uint64 }

// PoolStats are what a Pool has seen since it was made, and what it has now.
type PoolStats struct {
	Open, Idle int // sessions now, and those without a call
	Calls      int // calls and streams under way

	Opened    uint64 // sessions that were opened
	Failed    uint64 // attempts that failed
	LastError error  // … and why the last of them did, nil if none did
	Idled     uint64 // sessions that were closed because they had nothing to do
	Broken    uint64 // … that had ended, or were told to
	Unhealthy uint64 // … that were closed because the other side did not answer a check
	Moved     uint64 // calls that were sent by another session because the first had ended

	Sessions []PoolSession // in the order in which they were opened
}

// PoolSession is one session of a Pool.
type PoolSession struct {
	ID    string // the member id
	Calls int    // calls and streams under way
	Used  uint64 // calls and streams since it was opened
}

// Stats returns a snapshot.
func (p *Pool) Stats() PoolStats {
	c := &p.counts
	st := PoolStats{
		Opened: c.opened.Load(), Failed: c.failed.Load(), Idled: c.idled.Load(),
		Broken: c.broken.Load(), Unhealthy: c.unhealthy.Load(), Moved: c.moved.Load(),
	}
	p.mu.Lock()
	st.LastError = p.lastErr
	p.mu.Unlock()
	for _, m := range *p.members.Load() {
		n := m.load()
		st.Open++
		st.Calls += n
		if n == 0 {
			st.Idle++
		}
		st.Sessions = append(st.Sessions, PoolSession{ID: m.ID(), Calls: n, Used: m.uses.Load()})
	}
	return st
}
