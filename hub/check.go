// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// misfit takes why a message of m does not fit its schema, nil mostly, and returns it if the
// message is not to go on because of it.
func (m *Member) misfit(err *status.Error) *status.Error {
	if err == nil {
		return nil
	}
	h := m.hub
	h.count.malformed.Add(1)
	if others, ok := h.misfits.Line(h.cfg.Now()); ok {
		h.cfg.Log.Warn("message does not fit its schema", "hub", h.cfg.ID, "member", m.id, "reason", err.Message, "more_since", others)
	}
	if h.cfg.Schemas.Policy != schema.Reject {
		m.blame(operation.FaultMisfit, wire.Bind{}, err, false)
		return nil
	}
	return err
}

// unchecked tells that a schema that m announces cannot be used, so that nothing is checked.
func (m *Member) unchecked(warning error) {
	if warning == nil {
		return
	}
	h := m.hub
	if others, ok := h.unusable.Line(h.cfg.Now()); ok {
		h.cfg.Log.Warn("messages are not checked", "hub", h.cfg.ID, "member", m.id, "reason", warning.Error(), "more_since", others)
	}
}

// misfit judges the answer of a call.
func (o *offer) misfit(f *session.Frame) *status.Error {
	checks := o.checks.Load()
	if checks == nil {
		return nil
	}
	f.MakePrivate()
	return o.m.misfit(checks.Answer(f.Codec, f.Payload))
}

// fits judges an item of a stream, unless it is the end. One that is not to go on ends the
// call: the caller is told why, the provider that nobody listens any more.
func (r *relay) fits(f *session.Frame, from *Member, judge func(*schema.Checks, uint8, []byte) *status.Error) bool {
	o := r.o.Load()
	checks := o.checks.Load()
	if checks == nil || f.Flags&wire.FlagEnd != 0 {
		return true
	}
	f.MakePrivate()
	err := from.misfit(judge(checks, f.Codec, f.Payload))
	if err == nil {
		return true
	}
	r.mu.Lock()
	pass := r.running && !r.over
	r.cancelled = true
	r.finishLocked(&final{err: err})
	r.mu.Unlock()
	if o = r.o.Load(); pass {
		o.route.Cancel(r.callee)
	} else if r.req != nil {
		r.req.withdraw()
	}
	if o.m != nil {
		from.s.FlushAfter(o.m.s)
	}
	from.s.FlushAfter(r.m.s)
	return false
}
