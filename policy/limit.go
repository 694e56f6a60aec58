// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Limit bounds the calls that are under way at a time, so that one slow service does not tie up
// all of a program (a bulkhead). Those that are too many wait in order, as long as their context
// lets them; when too many wait they fail with status.Overloaded, which is safe to repeat. A
// handler that calls by the same Limit as its caller can wait for itself: give each its own.
//
// Of streams it bounds the opening only.
type Limit struct {
	// Calls is how many are under way at most, over all methods of the Wrapped; 0 for
	// DefaultCalls.
	Calls int
	// Queue is how many wait at most: 0 for as many as Calls, below 0 for none.
	Queue int
	// PerMethod has each method bounded by itself.
	PerMethod bool
}

// DefaultCalls is how many calls a Limit that says nothing lets be under way.
const DefaultCalls = 64

func (l Limit) stage(w *Wrapped) stage {
	if l.Calls <= 0 {
		l.Calls = DefaultCalls
	}
	if l.Queue == 0 {
		l.Queue = l.Calls
	}
	s := &limits{cfg: l, counts: &w.counts, gates: make(map[string]*gate)}
	s.all = s.gate()
	return s
}

// limits is Limit at work.
type limits struct {
	cfg    Limit
	counts *counts
	all    *gate            // of all methods, or of those beyond maxMethods
	gates  map[string]*gate // under Wrapped.mu
}

func (l *limits) gate() *gate { return &gate{limits: l, places: make(chan struct{}, l.cfg.Calls)} }

func (l *limits) around(method string, next session.Invoker) session.Invoker {
	g := l.all
	if l.cfg.PerMethod {
		if g = l.gates[method]; g == nil {
			if g = l.all; len(l.gates) < maxMethods {
				g = l.gate()
				l.gates[method] = g
			}
		}
	}
	return &limited{g, next}
}

// gate lets so many in.
type gate struct {
	*limits
	places  chan struct{}
	waiting atomic.Int64
}

// enter returns when there is a place.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	if g.waiting.Add(1) > int64(max(g.cfg.Queue, 0)) {
		g.waiting.Add(-1)
		g.counts.crowded.Add(1)
		return &status.Error{Code: status.Overloaded, Retry: status.RetrySafe, Err: ErrLimit, Message: "too many calls are under way here already"}
	}
	defer g.waiting.Add(-1)
	select {
	case g.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &status.Error{
			Code: status.CodeOf(ctx.Err()), Retry: status.RetrySafe, Err: context.Cause(ctx),
			Message: "the time was up before the call could begin: too many are under way here",
		}
	}
}

func (g *gate) leave() { <-g.places }

// limited is Limit around one method.
type limited struct {
	*gate
	next session.Invoker
}

// Call implements session.Invoker.
func (l *limited) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	if err := l.enter(ctx); err != nil {
		return session.Reply{}, err
	}
	defer l.leave()
	return l.next.Call(ctx, m, dst)
}

// Open implements session.Invoker.
func (l *limited) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.next.Open(ctx, shape, m)
}
