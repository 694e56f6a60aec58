// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// PoolConfig describes a Pool. Dial must be given; the zero value of the rest is useful.
type PoolConfig struct {
	// Dial makes one of the clients, by plexus.Dial for example. They must not ask for the same
	// id, and need no Reconnect: a Client whose session ends is replaced. Where a channel has a
	// password, Dial may unlock it. ctx bounds the connecting.
	Dial func(ctx context.Context) (*Client, error)
	// MaxOpen bounds the sessions, 0 for DefaultMaxOpen.
	MaxOpen int
	// Calls is how many must be under way on each session before another is opened, 0 for
	// DefaultPoolCalls. It is no limit: when MaxOpen are open, all take more.
	Calls int
	// MinIdle is how many sessions without a call are kept ready, MaxIdle how many at most; 0
	// is none and MaxOpen.
	MinIdle, MaxIdle int
	// IdleTimeout is how long a session without a call is kept beyond MinIdle, 0 for
	// DefaultIdleTimeout, below 0 for ever.
	IdleTimeout time.Duration
	// Check is how often each session is asked whether the other side answers, 0 for
	// DefaultCheck, below 0 for never. One that does not within CheckTimeout, 0 for
	// DefaultCheckTimeout, is closed.
	Check, CheckTimeout time.Duration
}

// Defaults of PoolConfig.
const (
	DefaultMaxOpen      = 4
	DefaultPoolCalls    = 16
	DefaultIdleTimeout  = time.Minute
	DefaultCheck        = 30 * time.Second
	DefaultCheckTimeout = 5 * time.Second
)

// growPause is how long no further session is tried after one could not be opened, while there
// are others.
const growPause = time.Second

// Pool spreads calls over several sessions with one server or hub. A session carries any number
// of calls at a time, so one Client is enough for nearly every program: see docs/policies.md for
// what a Pool brings, and when.
//
// It makes calls and opens streams, and nothing else: what stays on a session or has an order
// (handlers, subscriptions, events, publications) is for a Client. A hub sees each session as a
// member of its own. It is safe for concurrent use, and must be closed.
type Pool struct {
	cfg    PoolConfig
	direct *PoolChannel
	ctx    context.Context // of what the Pool does by itself; ends with it
	cancel context.CancelFunc
	wg     sync.WaitGroup
	over   chan struct{} // closed at the end of Shutdown
	counts poolCounts
	turn   atomic.Uint32 // where the search begins

	members atomic.Pointer[[]*pooled] // a snapshot; replaced under mu

	mu       sync.Mutex
	closed   bool
	attempt  *opening
	resume   time.Time // not to grow before
	lastErr  error     // of the attempt that failed last
	sweeping bool
}

// pooled is a Client in a Pool.
type pooled struct {
	*Client
	busy atomic.Int64  // calls of the Pool on it
	uses atomic.Uint64 // … since it was opened
	asks atomic.Bool   // a check is under way

	mu       sync.Mutex
	channels map[spot]*service.Channel

	// owned by the sweeper
	seen uint64        // uses at the last look
	idle time.Duration // how long without a use
}

// spot is a channel, or a member in it.
type spot struct{ channel, target string }

// opening is an attempt to open a session, shared by all who wait for it.
type opening struct {
	done chan struct{}
	err  error
}

// NewPool returns a Pool that has not connected yet, unless MinIdle asks for it.
func NewPool(cfg PoolConfig) *Pool {
	if cfg.MaxOpen <= 0 {
		cfg.MaxOpen = DefaultMaxOpen
	}
	if cfg.Calls <= 0 {
		cfg.Calls = DefaultPoolCalls
	}
	if cfg.MaxIdle <= 0 {
		cfg.MaxIdle = cfg.MaxOpen
	}
	cfg.MinIdle = min(max(cfg.MinIdle, 0), cfg.MaxOpen)
	cfg.MaxIdle = max(cfg.MaxIdle, cfg.MinIdle)
	for _, d := range []struct {
		v         *time.Duration
		otherwise time.Duration
	}{{&cfg.IdleTimeout, DefaultIdleTimeout}, {&cfg.Check, DefaultCheck}, {&cfg.CheckTimeout, DefaultCheckTimeout}} {
		if *d.v == 0 {
			*d.v = d.otherwise
		}
	}
	p := &Pool{cfg: cfg, over: make(chan struct{})}
	p.direct = &PoolChannel{p: p}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.members.Store(new([]*pooled))
	if cfg.MinIdle > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sweepLocked()
	}
	return p
}

// take returns the Client with the fewest calls under way. The caller counts its own in busy.
func (p *Pool) take(ctx context.Context) (*pooled, error) {
	for {
		m, load := p.least()
		if m != nil && load < p.cfg.Calls {
			return m, nil
		}
		a, err := p.open(m != nil)
		if err != nil {
			return nil, err
		}
		if m != nil {
			return m, nil
		}
		if a == nil {
			continue // another has opened one since
		}
		select {
		case <-a.done:
			if a.err != nil {
				return nil, a.err
			}
		case <-ctx.Done():
			return nil, status.Convert(ctx.Err())
		}
	}
}

// least returns the member with the fewest calls and how many these are, nil if there is none.
// Those that have ended leave the Pool.
func (p *Pool) least() (best *pooled, least int) {
	all := *p.members.Load()
	first := int(p.turn.Add(1))
	for i := range all {
		m := all[(first+i)%len(all)]
		if m.leaving() {
			p.drop(m, &p.counts.broken)
			continue
		}
		if load := m.load(); best == nil || load < least {
			best, least = m, load
		}
	}
	return best, least
}

// load returns how many calls and streams are under way.
func (m *pooled) load() int {
	n := int(m.busy.Load())
	if s := m.cur.Load(); s != nil {
		n = max(n, s.Outstanding())
	}
	return n
}

// leaving reports whether a member takes no calls any more. One that reconnects by itself will.
func (m *pooled) leaving() bool {
	s := m.cur.Load()
	if m.ledger == nil && s != nil {
		return s.Leaving()
	}
	return m.Err() != nil
}

// open begins to open a session, or returns the attempt that is under way. It is nil if none is
// wanted: with more, because there are enough or the last has just failed; without, because
// there is one by now.
func (p *Pool) open(more bool) (*opening, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, poolClosed()
	}
	if p.attempt != nil {
		return p.attempt, nil
	}
	have := len(*p.members.Load())
	if !more && have > 0 || have >= p.cfg.MaxOpen || more && time.Now().Before(p.resume) {
		return nil, nil
	}
	return p.openLocked(), nil
}

func (p *Pool) openLocked() *opening {
	a := &opening{done: make(chan struct{})}
	p.attempt = a
	p.wg.Go(func() { p.dial(a) })
	return a
}

func poolClosed() *status.Error {
	e := closedByUser()
	e.Message = "the pool was closed"
	return e
}

// dial makes an attempt.
func (p *Pool) dial(a *opening) {
	ctx, cancel := context.WithTimeout(p.ctx, attemptTimeout)
	defer cancel()
	c, err := p.cfg.Dial(ctx)
	if err == nil {
		if err = c.Connect(ctx); err != nil {
			c.Close()
		}
	}
	p.mu.Lock()
	closed := p.closed
	p.attempt = nil
	switch {
	case err != nil:
		p.counts.failed.Add(1)
		p.resume = time.Now().Add(growPause)
		p.lastErr = unreachable(err)
		a.err = p.lastErr
	case closed:
	default:
		p.counts.opened.Add(1)
		p.setLocked(append(slices.Clone(*p.members.Load()), &pooled{Client: c, channels: make(map[spot]*service.Channel)}))
		p.sweepLocked()
	}
	p.mu.Unlock()
	if closed {
		a.err = poolClosed()
		if err == nil {
			c.Close()
		}
	}
	close(a.done)
}

func (p *Pool) setLocked(all []*pooled) { p.members.Store(&all) }

// drop takes a member out and has it closed once its calls have ended, which are sent back or
// fail if its session has.
func (p *Pool) drop(m *pooled, why *atomic.Uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := *p.members.Load()
	i := slices.Index(all, m)
	if i < 0 || p.closed {
		return
	}
	p.setLocked(slices.Delete(slices.Clone(all), i, i+1))
	why.Add(1)
	p.wg.Go(func() { _ = m.Shutdown(p.ctx, true) }) // its calls are told why
}

// Close ends all sessions and returns when everything that the Pool has started has ended.
func (p *Pool) Close() error { return p.Shutdown(context.Background(), false) }

// Shutdown is Close bounded by ctx. With drain it first lets calls under way end; calls begun
// meanwhile fail with status.Closed. It returns the errors of the Clients.
func (p *Pool) Shutdown(ctx context.Context, drain bool) error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	all := *p.members.Load()
	p.setLocked(nil)
	p.mu.Unlock()
	if !first {
		<-p.over
		return nil
	}
	defer close(p.over)
	if !drain {
		p.cancel()
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() { errs[i] = m.Shutdown(ctx, drain) })
	}
	wg.Wait()
	p.cancel()
	p.wg.Wait()
	return errors.Join(errs...)
}
