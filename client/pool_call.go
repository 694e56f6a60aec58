// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Method returns a handle on a method of the server itself.
func (p *Pool) Method(name string) session.Invoker { return p.direct.Method(name) }

// Channel returns a handle on a channel of the hub, for calls.
func (p *Pool) Channel(name string) *PoolChannel {
	return &PoolChannel{p: p, spot: spot{channel: name}}
}

// PoolChannel is a handle on one channel whose calls are spread over the sessions of a Pool.
type PoolChannel struct {
	p      *Pool
	spot   spot
	recent atomic.Pointer[poolMethod]
}

// Name returns the channel's name, "" for the server itself.
func (c *PoolChannel) Name() string { return c.spot.channel }

// At returns a handle whose calls go to one member of the channel.
func (c *PoolChannel) At(member string) *PoolChannel {
	return &PoolChannel{p: c.p, spot: spot{c.spot.channel, member}}
}

// Method returns a handle on a method.
func (c *PoolChannel) Method(name string) session.Invoker {
	if x := c.recent.Load(); x != nil && x.name == name {
		return x
	}
	x := &poolMethod{c.p, c.spot, name}
	c.recent.Store(x)
	return x
}

// maxSpots bounds what a member remembers of channels.
const maxSpots = 1024

// at returns a member's own handle on a channel.
func (m *pooled) at(s spot) *service.Channel {
	if s == (spot{}) {
		return m.direct
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.channels[s]; c != nil {
		return c
	}
	if len(m.channels) >= maxSpots {
		clear(m.channels)
	}
	c := m.Channel(s.channel)
	if s.target != "" {
		c = c.At(s.target)
	}
	m.channels[s] = c
	return c
}

// poolMethod calls one method by whatever session has least to do.
type poolMethod struct {
	p    *Pool
	spot spot
	name string
}

// begin returns the member that has least to do, and its handle. The call counts as its own until
// again.
func (x *poolMethod) begin(ctx context.Context) (*pooled, session.Invoker, error) {
	at, err := x.p.take(ctx)
	if err != nil {
		return nil, nil, err
	}
	at.uses.Add(1)
	at.busy.Add(1)
	return at, at.at(x.spot).Method(x.name), nil
}

// again reports whether a call that has ended with err is to be made by another member: it has
// certainly not been sent, because the session of the first has ended, or is about to.
func (x *poolMethod) again(ctx context.Context, at *pooled, lends bool, try int, err error) bool {
	at.busy.Add(-1)
	if err == nil || try > x.p.cfg.MaxOpen || lends || ctx.Err() != nil || !status.Retryable(err) || !at.leaving() {
		return false
	}
	x.p.counts.moved.Add(1)
	return true
}

// Call implements session.Invoker.
func (x *poolMethod) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	for try := 0; ; try++ {
		at, to, err := x.begin(ctx)
		if err != nil {
			return session.Reply{}, err
		}
		rep, err := to.Call(ctx, m, dst)
		if !x.again(ctx, at, m.Loan != nil, try, err) {
			return rep, err
		}
	}
}

// Open implements session.Invoker. The stream stays with its session, and ends with it.
func (x *poolMethod) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	for try := 0; ; try++ {
		at, to, err := x.begin(ctx)
		if err != nil {
			return nil, err
		}
		s, err := to.Open(ctx, shape, m)
		if !x.again(ctx, at, m.Loan != nil, try, err) {
			return s, err
		}
	}
}

// Go begins a call without waiting for its answer. What fails later is not begun again.
func (x *poolMethod) Go(ctx context.Context, m session.Message) (*session.Pending, error) {
	for try := 0; ; try++ {
		at, to, err := x.begin(ctx)
		if err != nil {
			return nil, err
		}
		p, err := to.(starter).Go(ctx, m)
		if !x.again(ctx, at, m.Loan != nil, try, err) {
			return p, err
		}
	}
}

// starter is what the handles of a Channel offer besides.
type starter interface {
	Go(ctx context.Context, m session.Message) (*session.Pending, error)
}
