// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/wire"
)

// Defaults of Config.
const (
	DefaultMaxMessage       = 8 << 20
	DefaultMaxCalls         = 16 << 10
	DefaultMaxRoutes        = 16 << 10
	DefaultStreamWindow     = 256 << 10
	DefaultRouteWindow      = 1 << 20
	DefaultMaxHandlers      = 1024
	DefaultMaxQueue         = 4096
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultHeartbeat        = 15 * time.Second // where transport.TellsDeath says no
	DefaultFrameTimeout     = 30 * time.Second
	DefaultDataTimeout      = 10 * time.Second
)

// Config describes one side of a session. The zero value is useful; a Config is not
// changed after it was given to Dial or Accept.
type Config struct {
	// ID is the wanted member id (dialling) or the server's own id (accepting).
	ID string
	// Product names the program, for people.
	Product string
	// Instance is 128 bits in hex that stay the same over the sessions of one client;
	// "" makes a new one.
	Instance string
	// Epoch counts the sessions of an Instance.
	Epoch uint64
	// Metadata is what this side says about itself. Nobody checks it.
	Metadata map[string]string
	// Features name optional parts of the protocol that this side knows.
	Features []string

	// Auth lists the mechanisms: those at hand (dialling), those of which one is required
	// (accepting). An empty list means that nothing is proved.
	Auth auth.Chain
	// AuthFor, if not nil, gives the list for one accepted connection instead, by what the
	// transport knows of the peer.
	AuthFor func(p auth.Peer) auth.Chain
	// Throttle, if not nil, delays answers to peers that failed to authenticate.
	Throttle *auth.Throttle
	// MayServe, if not nil, is asked on the dialling side what it thinks of the other, by what
	// the transport knows of it, before anything is sent. An error ends the attempt.
	MayServe func(p auth.Peer) error
	// Screen, if not nil, is asked on the accepting side once the peer's HELLO has come, before
	// anything is proved. Its error is what the peer is told, and the end of the handshake.
	Screen func() error
	// Admit, if not nil, is asked on the accepting side once the peer is authenticated.
	// It returns the id of the session, or an error that the peer is told.
	Admit func(ctx context.Context, p Peer) (id string, err error)

	// Started, if not nil, is given the session before anything from the peer is dealt
	// with. It must not block.
	Started func(s *Session)

	// SourceName names the members that the Source of sent messages may stand for; nil
	// if this side sends only for itself.
	SourceName func(source uint64) string

	// Router gives inbound routes their meaning. nil refuses all.
	Router Router

	// MaxMessage is the longest payload taken, in bytes.
	MaxMessage int
	// MaxCalls and MaxRoutes are how many calls and routes the peer may have open.
	MaxCalls, MaxRoutes int
	// StreamWindow and RouteWindow are the bytes a peer may send on a stream, and on an
	// event or topic route, before it needs more credit.
	StreamWindow, RouteWindow int
	// Gate limits the handlers that run at a time; sessions may share one. nil makes one.
	Gate *Gate

	// HandshakeTimeout bounds the time until the session is established.
	HandshakeTimeout time.Duration
	// Heartbeat is the longest silence before the peer is pinged; 0 or less leaves it off.
	// HeartbeatTimeout is how long an answer may take, 0 for as long as Heartbeat; after
	// that, and HeartbeatGrace more, the session ends. A ping that is not answered is
	// repeated after each further Heartbeat.
	Heartbeat, HeartbeatTimeout, HeartbeatGrace time.Duration
	// FrameTimeout ends a session whose peer has begun a frame and does not finish it in
	// that time, on a Conn over a byte stream; 0 is DefaultFrameTimeout, less than 0 leaves
	// it off.
	FrameTimeout time.Duration
	// IdleTimeout ends a session on which nothing but heartbeats has been sent or received
	// for that long and no call or stream is open; 0 or less leaves it off.
	IdleTimeout time.Duration
	// DataTimeout ends a session whose peer takes nothing for that long while more than
	// the outbox's high-water mark waits for it; 0 is DefaultDataTimeout.
	DataTimeout time.Duration

	// Log takes what is worth a line: nil discards it. At debug level every frame is one.
	Log *slog.Logger
	// Keeper watches over handlers and roles; nil is the process's own. Tests under
	// synctest give one of their own.
	Keeper *Keeper
}

// withDefaults returns a copy with every zero field set.
func (c *Config) withDefaults() *Config {
	d := Config{}
	if c != nil {
		d = *c
	}
	orInt(&d.MaxMessage, DefaultMaxMessage)
	orInt(&d.MaxCalls, DefaultMaxCalls)
	orInt(&d.MaxRoutes, DefaultMaxRoutes)
	orInt(&d.StreamWindow, DefaultStreamWindow)
	orInt(&d.RouteWindow, DefaultRouteWindow)
	if d.HandshakeTimeout <= 0 {
		d.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if d.DataTimeout <= 0 {
		d.DataTimeout = DefaultDataTimeout
	}
	if d.FrameTimeout == 0 {
		d.FrameTimeout = DefaultFrameTimeout
	}
	if d.HeartbeatTimeout <= 0 {
		d.HeartbeatTimeout = d.Heartbeat
	}
	if d.Instance == "" {
		d.Instance = NewInstance()
	}
	if len(d.Auth.Mechanisms) == 0 {
		d.Auth.Mechanisms = []auth.Mechanism{auth.None()}
	}
	if d.Gate == nil {
		d.Gate = NewGate(DefaultMaxHandlers, DefaultMaxQueue)
	}
	if d.Keeper == nil {
		d.Keeper = &processKeeper
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &d
}

func orInt(v *int, def int) {
	if *v <= 0 {
		*v = def
	}
}

func (c *Config) limits() wire.Limits {
	return wire.Limits{
		Message: uint64(c.MaxMessage), Calls: uint32(c.MaxCalls), Routes: uint32(c.MaxRoutes),
		Stream: uint64(c.StreamWindow), Route: uint64(c.RouteWindow),
	}
}

// Gate bounds the handlers that run at a time and the requests that wait for one to end.
// Sessions that share a Gate share its limits. It is safe for concurrent use.
type Gate struct {
	handlers, queue int64
	running, queued atomic.Int64
	bytes           atomic.Int64 // of what is queued

	waits   atomic.Int32 // length of waiting
	mu      sync.Mutex
	waiting []*Session // have requests that wait for a handler to end
}

// NewGate returns a Gate. A request that finds handlers running and queue waiting is
// answered with status.Overloaded.
func NewGate(handlers, queue int) *Gate {
	return &Gate{handlers: int64(handlers), queue: int64(queue)}
}

// Running returns how many handlers run that were moved off the reading goroutine.
func (g *Gate) Running() int { return int(g.running.Load()) }

// Queued returns how many requests wait.
func (g *Gate) Queued() int { return int(g.queued.Load()) }

func (g *Gate) open() bool { return g.running.Load() < g.handlers }

// queueBytes is how many bytes of requests may wait, however few they are: one more may
// begin to as long as it is not reached.
const queueBytes = 64 << 20

// enqueue counts one more waiting request, unless there are too many.
func (g *Gate) enqueue(size int) bool {
	if g.bytes.Load() >= queueBytes {
		return false
	}
	if g.queued.Add(1) > g.queue {
		g.queued.Add(-1)
		return false
	}
	g.bytes.Add(int64(size))
	return true
}

func (g *Gate) dequeued(size int) {
	g.queued.Add(-1)
	g.bytes.Add(-int64(size))
}

// await has s tried again when a handler ends.
func (g *Gate) await(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.waiting, s) {
		return
	}
	g.waiting = append(g.waiting, s)
	g.waits.Add(1)
}

// leave counts a handler that has ended and lets the session go on that has waited longest
// and still has something to serve.
func (g *Gate) leave() {
	g.running.Add(-1)
	for g.waits.Load() > 0 && g.open() {
		if next := g.next(); next == nil || next.serveQueued() {
			return
		}
	}
}

// next takes out the session that has waited longest, nil if there is none.
func (g *Gate) next() *Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		return nil
	}
	s := g.waiting[0]
	g.waiting[0] = nil
	g.waiting = g.waiting[1:]
	g.waits.Add(-1)
	return s
}

// forget takes out a session that has ended.
func (g *Gate) forget(s *Session) {
	if g.waits.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, s); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		g.waits.Add(-1)
	}
}
