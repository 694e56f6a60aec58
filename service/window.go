// SPDX-License-Identifier: Apache-2.0

package service

import (
	"slices"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service/internal/once"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// This file is the provider's half of "an idempotent call takes effect once across a cut": the
// Table remembers what became of numbered calls, over all its sessions.

// onceLimits bound what a Table remembers.
var onceLimits = once.Limits{
	Calls: 16 << 10, SenderCalls: 4 << 10,
	Bytes: 16 << 20, SenderBytes: 4 << 20,
	Age: 5 * time.Minute,
}

const (
	// orphanTime is how long the handler of a call goes on whose caller has gone and not come
	// back: longer than a caller's patience and the pause between its attempts together.
	orphanTime = 30 * time.Second
	// maxWaiters bounds the copies of one call that wait for its answer.
	maxWaiters = 8
)

// OnceCounts tell what a Table remembers of calls that may come a second time.
type OnceCounts struct {
	Kept, KeptBytes int    // calls now, and the bytes of their answers with overhead
	Answered        uint64 // second copies that got the answer of the first …
	Joined          uint64 // … or that waited for it, because the first was still being executed
	Expired         uint64 // answers forgotten after five minutes
	Evicted         uint64 // … or because there was no room
	Unknown         uint64 // second copies refused, because the answer may have been forgotten
}

// answer is what a call was answered with.
type answer struct {
	codec   uint8
	payload []byte
	err     *status.Error // instead
}

// window is what a Table remembers.
type window struct {
	mu    sync.Mutex
	calls *once.Window[*execution] // nil before the first
	timer *time.Timer              // forgets what is old; nil if nothing is there
	runs  map[*execution]struct{}  // those under way
	over  bool                     // the Table was closed
}

// execution is a numbered call: the first copy that came, and what waits with it. It is the
// session.Recorder of the first copy.
type execution struct {
	w *window
	e *once.Entry[*execution]

	// guarded by w.mu
	cancel  func(reason *status.Error) // ends the handler's context
	quit    *status.Error              // it is to end
	orphan  *time.Timer                // has it end; nil while somebody waits for the answer
	waiters []*copyOf
	done    bool
	answer  answer
}

// copyOf is a second copy of a call that waits for the answer of the first.
type copyOf struct {
	x  *execution
	s  *session.Session
	id uint32
}

// senderOf returns who sends: as the hub vouches for it, or the direct peer, whatever it says
// the source is.
func senderOf(c *session.Call) string {
	s := c.Session()
	if s.Dialled() && hubAt(s) {
		return s.SourceName(c.Source)
	}
	p := s.Peer()
	return p.ID + "\x00" + p.Identity.Name
}

// serveOnce serves a call that its caller has numbered: by o if it has not come before.
func (t *Table) serveOnce(c *session.Call, o *offered, number session.Once) {
	w := &t.window
	ask := once.Ask{
		Caller: once.Caller{Sender: senderOf(c), Key: number.Key}, Sequence: number.Sequence, Floor: number.Floor,
		Again: number.Attempt > 0 || c.FindHeader(operation.HeaderAttempt) != "",
		Age:   time.Duration(number.Age) * time.Millisecond,
	}
	x, v := w.begin(ask, time.Now())
	switch v {
	case once.Fresh:
		x.begun(c.Record(x))
		o.serve(c)
	case once.Running:
		w.join(x, c)
	case once.Done:
		x.answer.give(c)
	case once.Unknown:
		c.Fail(&status.Error{
			Code: status.DataLoss, Retry: status.RetryUnsafe,
			Message: "the call came before, and what became of it has been forgotten: it may have taken effect",
		})
	case once.Full:
		c.Fail(status.Errorf(status.Overloaded, "%d calls that may be sent again are being executed: try again later", w.running()))
	}
}

// begin judges a call.
func (w *window) begin(ask once.Ask, now time.Time) (*execution, once.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls, w.runs = once.New[*execution](onceLimits), make(map[*execution]struct{})
	}
	e, v := w.calls.Begin(ask, now)
	if e == nil {
		return nil, v
	}
	if v == once.Fresh {
		e.Answer = &execution{w: w, e: e}
		w.runs[e.Answer] = struct{}{}
	}
	return e.Answer, v
}

func (w *window) running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.runs)
}

// begun notes how to end the handler's context, and does so if that was wanted meanwhile.
func (x *execution) begun(cancel func(*status.Error)) {
	x.w.mu.Lock()
	x.cancel = cancel
	quit := x.quit
	if x.w.over && quit == nil {
		quit = errTableClosed
	}
	x.w.mu.Unlock()
	if quit != nil {
		cancel(quit)
	}
}

var errTableClosed = &status.Error{Code: status.Unavailable, Message: "this side was closed"}

// give answers a copy.
func (a *answer) give(c *session.Call) {
	if a.err != nil {
		c.Fail(a.err)
		return
	}
	_ = c.Reply(session.Message{Codec: a.codec, Payload: a.payload}) // who has gone needs no answer
}

// join has a second copy wait for the answer of the first.
func (w *window) join(x *execution, c *session.Call) {
	who := &copyOf{x: x, s: c.Session(), id: c.ID}
	if !c.Detach(who) {
		return
	}
	w.mu.Lock()
	done, full := x.done, len(x.waiters) >= maxWaiters
	if !done && !full {
		x.waiters = append(x.waiters, who)
		if x.orphan != nil {
			x.orphan.Stop()
			x.orphan = nil
		}
	}
	w.mu.Unlock()
	switch {
	case done:
		who.give(&x.answer)
	case full:
		who.give(&answer{err: status.Errorf(status.Overloaded, "%d copies of the call wait for its answer already", maxWaiters)})
	}
}

// give answers a copy that was waiting.
func (y *copyOf) give(a *answer) {
	if a.err != nil {
		y.s.Refuse(y.id, a.err)
	} else {
		y.s.Answer(y.id, session.Message{Codec: a.codec, Payload: a.payload})
	}
	y.s.FlushNow()
}

// Cancelled implements session.Canceller: nobody waits for this copy's answer any more.
func (y *copyOf) Cancelled(reason *status.Error) {
	w := y.x.w
	w.mu.Lock()
	waited := slices.Contains(y.x.waiters, y)
	y.x.waiters = slices.DeleteFunc(y.x.waiters, func(o *copyOf) bool { return o == y })
	w.mu.Unlock()
	if reason.Code == status.Cancelled {
		y.give(&answer{err: reason})
	}
	if waited {
		y.x.Left(reason)
	}
}

// Left implements session.Recorder: the handler is ended at once if the caller has given up, and
// after a while if it has gone and nobody else waits.
func (x *execution) Left(reason *status.Error) {
	w := x.w
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case x.done || len(x.waiters) > 0:
	case reason.Code == status.Cancelled:
		x.endLocked(reason)
	case x.orphan == nil:
		x.orphan = time.AfterFunc(orphanTime, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if x.orphan != nil && !x.done {
				x.endLocked(reason)
			}
		})
	}
}

// endLocked has the handler end.
func (x *execution) endLocked(reason *status.Error) {
	if x.quit == nil {
		x.quit = reason
		if x.cancel != nil {
			x.cancel(reason) // it only closes a channel and starts goroutines
		}
	}
}

// Answered implements session.Recorder.
func (x *execution) Answered(m session.Message, err *status.Error) {
	a := answer{codec: m.Codec, err: err}
	var size int
	if err == nil {
		a.payload = slices.Clone(m.Payload)
		size = len(a.payload)
	} else {
		size = len(err.Message) + len(err.Details)
	}
	x.settle(a, size)
}

// Detached implements session.Recorder: a handler that answers in its own way is not remembered.
func (x *execution) Detached() {
	x.settle(answer{err: &status.Error{
		Code: status.DataLoss, Retry: status.RetryUnsafe, Message: "the handler answers in a way that cannot be repeated: the call may have taken effect",
	}}, onceLimits.Bytes+1)
}

// settle remembers the answer and gives it to who waits.
func (x *execution) settle(a answer, size int) {
	w := x.w
	w.mu.Lock()
	if x.done {
		w.mu.Unlock()
		return
	}
	x.done, x.answer = true, a
	waiters := x.waiters
	x.waiters, x.cancel = nil, nil
	if x.orphan != nil {
		x.orphan.Stop()
		x.orphan = nil
	}
	delete(w.runs, x)
	if x.quit != nil && x.quit.Code == status.Cancelled {
		w.calls.Forget(x.e) // nobody will ask
	} else {
		w.calls.Finish(x.e, size, time.Now())
	}
	w.sweepLocked()
	w.mu.Unlock()
	for _, y := range waiters {
		y.give(&a)
	}
}

// sweepLocked has what is old forgotten in time, also if no call comes.
func (w *window) sweepLocked() {
	if w.timer != nil || w.over {
		return
	}
	now := time.Now()
	if next := w.calls.Expire(now); !next.IsZero() {
		w.timer = time.AfterFunc(next.Sub(now), func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.timer = nil
			w.sweepLocked()
		})
	}
}

// close ends the handlers of all calls under way, and forgets the rest.
func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	for x := range w.runs {
		if x.orphan != nil {
			x.orphan.Stop()
			x.orphan = nil
		}
		x.endLocked(errTableClosed)
	}
}

// EndCalls ends the contexts of the handlers whose callers may have gone and come back: what
// else is served ends with its session. Close does so, too.
func (t *Table) EndCalls() { t.window.close() }

// Once returns what the table has seen of calls that may come a second time.
func (t *Table) Once() OnceCounts {
	w := &t.window
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		return OnceCounts{}
	}
	return OnceCounts(w.calls.Counts())
}
