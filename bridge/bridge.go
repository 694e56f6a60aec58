// SPDX-License-Identifier: Apache-2.0

// Package bridge joins two hubs: what the members of one offer, publish, send and broadcast
// reaches the members of the other, under the sender's own name.
//
// A Bridge is a program between two hubs, each reached over any transport. It has one session
// with each hub for itself, its link, and there one more for each member of the other
// side that it speaks for: a guest. A guest is a member like any other, with the id
// alice@west; it joins what alice joins, offers what she offers, and what it does is what she
// does. So everything that a hub does for members it does for guests.
//
//	hub west                       the bridge                        hub east
//	alice ───────┐            ┌── link      link ──┐            ┌─────── bob
//	bob@east ────┴────────────┤  guest      guest  ├────────────┴── alice@west
//
// With more hubs, every hub knows by its links the best way to every other, and only the link
// on that way speaks for the members of that hub: each of them is in each hub once, and so is
// each of their messages. A hub lets those be bridges whom its rule names, hub.Config.Bridges.
package bridge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Defaults of Config.
const (
	DefaultMinWait   = 100 * time.Millisecond
	DefaultMaxWait   = 10 * time.Second
	DefaultHeartbeat = 5 * time.Second
	DefaultMaxGuests = 4096
)

// Side is one of the two hubs.
type Side struct {
	// Dial makes a session with the hub. What is in o must be kept; secrets, transports and
	// limits may be added. It is called for the link and for every guest.
	Dial func(ctx context.Context, o plexus.DialOptions) (*plexus.Client, error)
	// Channels are those of which something goes from this hub to the other, as names or
	// patterns: its members, what they offer, and what they publish, send and broadcast.
	// Answers and items of calls go both ways. nil is all channels, an empty list none.
	Channels []string
}

// To returns a Dial for the hub at an address.
func To(address string, base plexus.DialOptions) func(context.Context, plexus.DialOptions) (*plexus.Client, error) {
	return func(ctx context.Context, o plexus.DialOptions) (*plexus.Client, error) {
		own := base
		own.ID, own.Metadata = o.ID, o.Metadata
		own.Session.ID, own.Session.Metadata = "", nil
		own.Session.Router, own.Session.Features = o.Session.Router, o.Session.Features
		if own.Session.Heartbeat == 0 {
			own.Session.Heartbeat = o.Session.Heartbeat
		}
		return plexus.Dial(ctx, address, &own)
	}
}

// Config describes a Bridge.
type Config struct {
	// A and B are the hubs. Their ids must differ.
	A, B Side
	// MinWait and MaxWait are the shortest and longest wait before a link that was lost is
	// made anew; 0 is 100 ms and 10 s.
	MinWait, MaxWait time.Duration
	// Heartbeat is the silence after which a hub is asked for a sign of life, see
	// session.Config; 0 is 5 s.
	Heartbeat time.Duration
	// Passwords are those of channels, by channel. A channel with a password is carried only if
	// the bridge has it, and only to where the channel has the same: guests make it there, or
	// give it, as everybody has to.
	Passwords map[string]string
	// MaxGuests is how many members the bridge speaks for on one side; 0 is 4096.
	MaxGuests int
	// Log takes what is worth a line; nil discards it.
	Log *slog.Logger
}

// Bridge joins two hubs while Run runs. It is safe for concurrent use.
type Bridge struct {
	cfg    Config
	weight uint64 // what this bridge adds to the cost of a way
	count  counters
	cur    atomic.Pointer[link]
}

type counters struct {
	links, calls, messages, dropped, elsewhere atomic.Uint64
}

// Stats says what a Bridge has done so far.
type Stats struct {
	Linked    bool     `json:"linked"`         // both hubs are reached now
	Hubs      []string `json:"hubs,omitempty"` // A's and B's id, while linked
	Guests    [2]int   `json:"guests"`         // at A and at B
	Pending   int      `json:"pending"`        // news of the hubs, and messages, that have not been dealt with yet
	Links     uint64   `json:"links"`          // how often the link was made
	Calls     uint64   `json:"calls"`          // passed on
	Messages  uint64   `json:"messages"`       // events, broadcasts and publications passed on
	Dropped   uint64   `json:"dropped"`        // that were not taken, or lost in the queue of a hub
	Elsewhere uint64   `json:"elsewhere"`      // left to another link, which is on the best way
}

// New returns a Bridge that has not connected yet.
func New(cfg Config) (*Bridge, error) {
	for _, s := range []*Side{&cfg.A, &cfg.B} {
		if s.Dial == nil {
			return nil, status.Errorf(status.InvalidArgument, "a bridge needs both hubs: Side.Dial is nil")
		}
		for _, p := range s.Channels {
			if err := subject.ValidatePattern(p); err != nil {
				return nil, status.Errorf(status.InvalidArgument, "%w", err)
			}
		}
	}
	orDuration(&cfg.MinWait, DefaultMinWait)
	orDuration(&cfg.MaxWait, DefaultMaxWait)
	orDuration(&cfg.Heartbeat, DefaultHeartbeat)
	if cfg.MaxGuests <= 0 {
		cfg.MaxGuests = DefaultMaxGuests
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Bridge{cfg: cfg, weight: 1<<32 + uint64(rand.Uint32N(1<<27))}, nil
}

func orDuration(v *time.Duration, def time.Duration) {
	if *v <= 0 {
		*v = def
	}
}

// Stats returns what the Bridge has done so far.
func (b *Bridge) Stats() Stats {
	c := &b.count
	s := Stats{
		Links: c.links.Load(), Calls: c.calls.Load(), Messages: c.messages.Load(),
		Dropped: c.dropped.Load(), Elsewhere: c.elsewhere.Load(),
	}
	if l := b.cur.Load(); l != nil {
		s.Linked = true
		l.mu.Lock()
		defer l.mu.Unlock()
		s.Pending = l.pendingLocked()
		for i, side := range l.sides {
			s.Hubs = append(s.Hubs, side.hub)
			s.Guests[i] = len(side.guests)
			for _, g := range side.guests {
				s.Pending += g.pending()
			}
		}
	}
	return s
}

// Run links the hubs until ctx ends, and makes the link anew when it was lost, after a wait that
// grows from MinWait to MaxWait. It returns when everything that it has started has ended.
// The error is that of ctx, or one that no wait will mend: a hub that lets nobody be its bridge, or
// a hub linked to itself.
func (b *Bridge) Run(ctx context.Context) error {
	wait := b.cfg.MinWait
	for {
		linked, err := b.attempt(ctx)
		if linked {
			wait = b.cfg.MinWait
		}
		switch {
		case ctx.Err() != nil:
			return status.Convert(ctx.Err())
		case hopeless(err) && !(linked && errors.Is(err, status.Unauthenticated)): // a secret may have been replaced
			b.cfg.Log.Error("bridge ends", "error", err)
			return err
		}
		b.cfg.Log.Warn("bridge is not linked", "error", err, "next_try", wait)
		t := time.NewTimer(wait/2 + rand.N(wait/2+1))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
		wait = min(2*wait, b.cfg.MaxWait)
	}
}

func hopeless(err error) bool {
	return errors.Is(err, status.PermissionDenied) || errors.Is(err, status.Unauthenticated) ||
		errors.Is(err, status.InvalidArgument) || errors.Is(err, status.Unimplemented) || errors.Is(err, status.UnknownMethod)
}

// attempt makes the link, once, and returns when it has ended.
func (b *Bridge) attempt(ctx context.Context) (linked bool, err error) {
	l, err := b.connect(ctx)
	if err != nil {
		return false, err
	}
	b.count.links.Add(1)
	b.cur.Store(l)
	b.cfg.Log.Info("bridge is linked", "a", l.sides[0].hub, "b", l.sides[1].hub)
	err = l.run()
	b.cur.Store(nil)
	l.close()
	return true, err
}
