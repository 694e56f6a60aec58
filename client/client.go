// SPDX-License-Identifier: Apache-2.0

// Package client dials: a Client holds the session with one server or hub, which it makes
// when it is first needed.
package client

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// Config describes a Client. Dial, or Set and Endpoint, say where to; the rest may be left.
type Config struct {
	// Set holds the drivers; Endpoint is the address.
	Set      transport.Set
	Endpoint endpoint.Endpoint
	// Transport tunes the connection.
	Transport *transport.Options
	// Dial, if not nil, makes the connection instead: a pipe, a child's stdio.
	Dial func(ctx context.Context) (transport.Conn, error)
	// Session describes this side. A Router of its own, for a forwarder, stands instead of
	// what is offered by the Client's functions. A Heartbeat of 0 is session.DefaultHeartbeat
	// where the operating system does not tell of a dead peer at once (transport.TellsDeath),
	// one that is set holds for every Endpoint.
	Session session.Config
	// Reconnect, if not nil, has the connection made anew when it is lost.
	Reconnect *Reconnect
	// OnError is told of what goes wrong without a caller, see service.Table.
	OnError func(error)
}

// direct is embedded under a name of its own, so that Channel can be a method.
type direct = service.Channel

// Client is the dialling end of a conversation. It connects when it is first used and stays
// with that session: when it has ended, all calls fail with the reason; unless Config.Reconnect
// has another follow. It is safe for concurrent use.
type Client struct {
	*direct // the server itself, or the hub's channel ""

	cfg     Config
	table   *service.Table
	ledger  *service.Ledger // nil if no session follows the first
	offline *offline        // nil if nothing is kept
	life    context.Context // until Shutdown is tired of waiting
	die     context.CancelFunc
	cur     atomic.Pointer[session.Session]
	id      atomic.Pointer[string] // of the last session

	mu       sync.Mutex
	closed   bool
	dial     *attempt
	channels map[string]*service.Channel
	wg       sync.WaitGroup
	lost     sync.WaitGroup // sessions that were lost, until their handlers have ended
	done     chan struct{}
	over     bool
	tried    time.Time // when the last attempt began
	err      error     // why it ended, if over
}

// attempt is a connection in the making, shared by all who wait for it.
type attempt struct {
	done   chan struct{}
	cancel context.CancelFunc
	lender context.Context // of the caller who began it
	anew   bool            // there was a session before: it is tried again and again
	cause  error           // with anew: why there is none now; under Client.mu
	s      *session.Session
	err    error
}

// New returns a Client that has not connected yet.
func New(cfg Config) *Client {
	c := &Client{cfg: cfg, table: &service.Table{OnError: cfg.OnError}, channels: make(map[string]*service.Channel), done: make(chan struct{})}
	if c.cfg.Session.Router == nil {
		c.cfg.Session.Router = c.table
	}
	if c.cfg.Reconnect != nil {
		c.ledger = &service.Ledger{
			Lost:     func(what string, err error) { c.tell(State{Phase: Lost, What: what, Err: err}) },
			Patience: c.patience(),
		}
		if c.cfg.Session.Instance == "" {
			c.cfg.Session.Instance = session.NewInstance()
		}
	}
	c.life, c.die = context.WithCancel(context.Background())
	c.offline = newOffline(c, cfg.Reconnect)
	c.direct = service.NewChannel(c, c.table, "")
	return c
}

// Channel returns a handle on a channel of the hub. The same name gives the same handle.
func (c *Client) Channel(name string) *service.Channel {
	if name == "" {
		return c.direct
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.channels[name]
	if ch == nil {
		ch = service.NewChannel(c, c.table, name)
		c.channels[name] = ch
	}
	return ch
}

// Session implements service.Source: it returns the session, connecting first if need be.
func (c *Client) Session(ctx context.Context) (*session.Session, error) {
	if s := c.cur.Load(); s != nil && c.ledger == nil {
		return s, nil
	}
	return c.session(ctx, c.patience())
}

// patience is how long an operation waits for a lost connection.
func (c *Client) patience() time.Duration {
	if r := c.cfg.Reconnect; r != nil && r.Patience > 0 {
		return r.Patience
	}
	return DefaultPatience
}

// session is Session for who waits so long for a lost connection, with 0 for ever.
func (c *Client) session(ctx context.Context, patience time.Duration) (*session.Session, error) {
	for {
		if s := c.cur.Load(); s != nil {
			if c.ledger == nil || !over(s) {
				return s, nil
			}
			c.lose(s, s.Err()) // nobody has told yet
		}
		a, err := c.begin(ctx)
		if err != nil {
			return nil, err
		}
		if err := c.await(ctx, a, patience); err != nil {
			return nil, err
		}
		if a.err == nil || a.lender == ctx || a.lender.Err() == nil || a.anew {
			return a.s, a.err
		}
		// The time of another caller was up, not ours.
	}
}

// over reports whether a session has ended.
func over(s *session.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// Ledger returns what is to be done again on a session that follows, nil if none does.
func (c *Client) Ledger() *service.Ledger { return c.ledger }

// begin returns the attempt that is under way, or starts one. The one that starts it lends
// it its deadline: others that wait longer try again.
func (c *Client) begin(ctx context.Context) (*attempt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, closedByUser()
	}
	if c.dial != nil {
		return c.dial, nil
	}
	if c.over {
		return nil, c.err
	}
	if s := c.cur.Load(); s != nil { // made since the caller looked
		return made(ctx, s), nil
	}
	dial, cancel := context.WithCancel(ctx)
	a := &attempt{done: make(chan struct{}), cancel: cancel, lender: ctx}
	c.dial = a
	c.wg.Go(func() { c.connect(dial, a) })
	return a, nil
}

// made returns an attempt that has succeeded.
func made(ctx context.Context, s *session.Session) *attempt {
	a := &attempt{done: make(chan struct{}), lender: ctx, s: s}
	close(a.done)
	return a
}

// connect makes the connection of an attempt.
func (c *Client) connect(ctx context.Context, a *attempt) {
	defer a.cancel()
	s, err := c.open(ctx)
	c.settle(a, s, err)
}

func closedByUser() *status.Error {
	return &status.Error{Code: status.Closed, Message: "the client was closed", Err: net.ErrClosed}
}

// adoptLocked makes s the session.
func (c *Client) adoptLocked(s *session.Session) {
	id := s.ID()
	c.id.Store(&id)
	c.cfg.Session.ID = id // to be asked for again
	c.cfg.Session.Epoch++
	c.cur.Store(s)
}

// endLocked notes why no session follows.
// It returns false if that was known.
func (c *Client) endLocked(err error) bool {
	if c.over {
		return false
	}
	c.over, c.err = true, err
	close(c.done)
	c.table.EndCalls() // nobody can come back for their answers
	return true
}

func (c *Client) open(ctx context.Context) (*session.Session, error) {
	c.mu.Lock()
	c.tried = time.Now()
	c.mu.Unlock()
	conn, err := c.dialConn(ctx)
	if err != nil {
		return nil, unreachable(err)
	}
	c.mu.Lock()
	cfg := c.cfg.Session
	c.mu.Unlock()
	if cfg.Heartbeat == 0 && c.cfg.Dial == nil && !transport.TellsDeath(c.cfg.Endpoint.Scheme()) {
		cfg.Heartbeat = session.DefaultHeartbeat
	}
	return session.Dial(ctx, conn, &cfg)
}

func (c *Client) dialConn(ctx context.Context) (transport.Conn, error) {
	if c.cfg.Dial != nil {
		return c.cfg.Dial(ctx)
	}
	return c.cfg.Set.Dial(ctx, c.cfg.Endpoint, c.cfg.Transport)
}

// Connect connects now instead of at the first use.
func (c *Client) Connect(ctx context.Context) error {
	_, err := c.Session(ctx)
	return err
}

// ID returns the member id that the server gave this client, "" before it is connected.
func (c *Client) ID() string {
	if id := c.id.Load(); id != nil {
		return *id
	}
	return ""
}

// Done is closed when the session has ended and none follows; never, if there was none.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the session ended, nil before that.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close flushes one-way messages, ends the session and returns when everything that the
// client has started has ended.
func (c *Client) Close() error { return c.Shutdown(context.Background(), false) }

// Shutdown is Close bounded by ctx. With drain it first lets calls under way end.
func (c *Client) Shutdown(ctx context.Context, drain bool) error {
	c.mu.Lock()
	c.closed = true
	if c.dial != nil {
		c.dial.cancel()
	}
	c.mu.Unlock()
	tired := time.AfterFunc(flushTimeout, c.die) // of what was kept and still leaves
	defer tired.Stop()
	defer context.AfterFunc(ctx, c.die)()
	c.wg.Wait()
	c.die()
	var err error
	s := c.cur.Load()
	if s != nil {
		if drain {
			_, err = s.Drain(ctx)
		} else {
			err = c.flush(ctx, s)
		}
		s.Close()
	}
	c.table.EndCalls()
	if s != nil {
		s.Wait()
	}
	c.lost.Wait()
	c.table.Close()
	return err
}

// flush gives what was sent a chance to leave; a peer that reads nothing has a second.
func (c *Client) flush(ctx context.Context, s *session.Session) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := s.Flush(ctx); err != nil && s.Err() == nil {
		return err
	}
	return nil
}
