// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Caller gives handles on methods: it is plexus.Caller.
type Caller interface {
	Method(name string) session.Invoker
}

// Policy is one of Retry, Hedge, Breaker, Timeout and Limit.
type Policy interface {
	// stage makes what the methods of one Wrapped share.
	stage(w *Wrapped) stage
}

// stage is a Policy at work.
type stage interface {
	// around returns what calls one method under the policy. It is called once for each method,
	// or more often if there are more than maxMethods.
	around(method string, next session.Invoker) session.Invoker
}

// maxMethods bounds what a Wrapped remembers of methods, and how many breakers, measured times
// and limits of their own it has. What is called beyond that shares one.
const maxMethods = 1024

// overflow is the name of what all methods beyond maxMethods share. No method is named so.
const overflow = "*"

// Wrapped is a Caller with policies. It is safe for concurrent use and needs no closing.
type Wrapped struct {
	to     Caller
	name   string // of the channel, "" if there is none
	stages []stage
	counts counts

	mu      sync.RWMutex
	methods map[string]session.Invoker
}

// Wrap puts policies around the calls of a Caller, the first one outermost. A nil Policy is
// passed over.
func Wrap(to Caller, policies ...Policy) *Wrapped {
	w := &Wrapped{to: to, methods: make(map[string]session.Invoker)}
	if named, ok := to.(interface{ Name() string }); ok {
		w.name = named.Name()
	}
	for _, p := range policies {
		if p != nil {
			w.stages = append(w.stages, p.stage(w))
		}
	}
	return w
}

// Method returns a handle on a method whose calls are under the policies.
func (w *Wrapped) Method(name string) session.Invoker {
	w.mu.RLock()
	x := w.methods[name]
	w.mu.RUnlock()
	if x != nil {
		return x
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if x = w.methods[name]; x != nil {
		return x
	}
	next := w.to.Method(name)
	for i := len(w.stages) - 1; i >= 0; i-- {
		next = w.stages[i].around(name, next)
	}
	x = &entry{w, next}
	if len(w.methods) < maxMethods {
		w.methods[name] = x
	}
	return x
}

// title returns what people call a method.
func (w *Wrapped) title(method string) string {
	if w.name == "" {
		return method
	}
	return w.name + "/" + method
}

// entry is where a call enters the policies.
type entry struct {
	w    *Wrapped
	next session.Invoker
}

// Call implements session.Invoker.
func (e *entry) Call(ctx context.Context, m session.Message, dst []byte) (session.Reply, error) {
	e.w.counts.calls.Add(1)
	return e.next.Call(ctx, m, dst)
}

// Go begins a call without waiting for its answer: on a goroutine that ends with the call. The
// Message's payload is copied, since its owner may use it again.
func (e *entry) Go(ctx context.Context, m session.Message) (*session.Pending, error) {
	if m.Loan == nil {
		m.Payload = bytes.Clone(m.Payload)
	}
	return session.Begin(ctx, func(ctx context.Context) (session.Reply, error) { return e.Call(ctx, m, nil) }), nil
}

// Open implements session.Invoker.
func (e *entry) Open(ctx context.Context, shape session.Shape, m session.Message) (*session.Stream, error) {
	e.w.counts.opened.Add(1)
	return e.next.Open(ctx, shape, m)
}

// counts are what Stats tells.
type counts struct {
	calls, opened, retries, unpaidRetries, hedges, unpaidHedges, won, refused, crowded, late atomic.Uint64
}

// Stats are what a Wrapped has seen since it was made.
type Stats struct {
	Calls  uint64 // calls that were made through it
	Opened uint64 // streams that were to be opened through it

	Retries        uint64 // further attempts
	RetriesRefused uint64 // … that the budget did not allow
	Hedges         uint64 // second sendings
	HedgesRefused  uint64 // … that the budget did not allow
	HedgesWon      uint64 // … whose answer was the first
	Refused        uint64 // refused by a Breaker that was open
	Crowded        uint64 // refused by a Limit
	Late           uint64 // ended by a Timeout

	// Breakers are the breakers of all methods that were called, in the order of their names.
	Breakers []BreakerState
}

// Stats returns a snapshot of the counts.
func (w *Wrapped) Stats() Stats {
	c := &w.counts
	st := Stats{
		Calls: c.calls.Load(), Opened: c.opened.Load(),
		Retries: c.retries.Load(), RetriesRefused: c.unpaidRetries.Load(),
		Hedges: c.hedges.Load(), HedgesRefused: c.unpaidHedges.Load(), HedgesWon: c.won.Load(),
		Refused: c.refused.Load(), Crowded: c.crowded.Load(), Late: c.late.Load(),
	}
	for _, s := range w.stages {
		if b, ok := s.(*breakers); ok {
			st.Breakers = append(st.Breakers, b.states()...)
		}
	}
	return st
}

// State returns the state of a method's breaker, of the outermost if there are several. false
// says that the method has none, or was not called yet.
func (w *Wrapped) State(method string) (BreakerState, bool) {
	for _, s := range w.stages {
		if b, ok := s.(*breakers); ok {
			return b.state(method)
		}
	}
	return BreakerState{}, false
}

// transient reports whether the same call may well have another end elsewhere or later: err is
// not what a handler, or a rule, has to say about the call itself.
func transient(err error) bool {
	switch status.CodeOf(err) {
	case status.NoProvider, status.PeerGone, status.Unavailable, status.Overloaded, status.Busy,
		status.DeadlineExceeded, status.Cancelled, status.LimitExceeded:
		return true
	}
	return false
}
