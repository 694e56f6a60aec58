// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Recorder is told what becomes of a call that may come a second time. Its methods are
// called by whoever finds out, from any goroutine, and must not block.
type Recorder interface {
	// Answered is given the answer before it leaves: a Message that is valid until Answered
	// returns, or an error. Only the first call counts.
	Answered(m Message, err *status.Error)
	// Left says that the caller has given up (reason is status.Cancelled) or gone (any other):
	// the call's context goes on until the Recorder ends it. It may be called twice.
	Left(reason *status.Error)
	// Detached says that the call is answered by somebody else, in a way that cannot be seen.
	Detached()
}

// recording is the Recorder of a call.
type recording struct{ by Recorder }

// Record has r told the call's answer, and makes r responsible for the end of the call's
// context, which cancel ends; its deadline holds in any case. It is called by the Target
// before anything else, once at most, for a call without streams.
func (c *Call) Record(r Recorder) (cancel func(reason *status.Error)) {
	c.record.Store(&recording{r}) // before reason is looked at: Cancelled does it the other way round
	x := c.makeContext()
	if reason := c.reason.Load(); reason != nil {
		r.Left(reason)
	}
	return x.cancel
}

// Cancelled implements Canceller for a call whose handler runs.
func (c *Call) Cancelled(reason *status.Error) {
	c.reason.CompareAndSwap(nil, reason)
	if r := c.record.Load(); r != nil {
		r.by.Left(reason)
	} else if ctx := c.ctx.Load(); ctx != nil {
		ctx.cancel(reason)
	}
}

// Once returns the number that the caller has given a call which it may send again.
func (f *Frame) Once() (o Once, ok bool) {
	if !f.Idempotent() || len(f.Ext) == 0 {
		return o, false
	}
	data, err := wire.FindExtension(f.Ext, wire.ExtOnce)
	if err != nil || data == nil {
		return o, false
	}
	o, err = wire.ParseOnce(data)
	return o, err == nil
}

// FindHeader returns the value of the first header with a key that came with a frame, "" if
// there is none.
func (f *Frame) FindHeader(key string) string { return string(wire.FindHeader(f.Ext, key)) }

// Quit tells the peer that nobody waits for the answer to a call any more, and whether the
// caller has given up, for which reason is status.Cancelled or nil, or has gone, and may come
// back to ask once more. The final frame still comes to the sink.
func (r *Route) Quit(id uint32, reason *status.Error) {
	h := wire.Header{Kind: wire.KindCancel, ID: id}
	if reason != nil && reason.Code != status.Cancelled {
		h.Flags = wire.FlagEnd
	}
	r.s.control(h, nil)
}

// cancelReason returns what a CANCEL says.
func cancelReason(f *Frame) *status.Error {
	if f.Flags&wire.FlagEnd != 0 {
		return &status.Error{Code: status.PeerGone, Message: "the caller went away", Remote: true}
	}
	return &status.Error{Code: status.Cancelled, Message: "the caller gave up", Remote: true}
}
