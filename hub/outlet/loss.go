// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/session"
)

// Loss is a message that a receiver missed, and that nobody watches.
type Loss struct {
	Message session.Message // valid until the function returns that is given it
	From    *deadletter.Sender
	Label   *session.Route // where it comes from, nil if the receiver knows
	Why     deadletter.Reason
}

// From says who sent a message, for those who are told if it is lost: nil if nobody is.
func (p *Parcel) From(s *deadletter.Sender) { p.from = s }

// Watched reports whether somebody is told what becomes of p before each receiver.
func (p *Parcel) Watched() bool { return p.watch != nil }

// Each calls f with the messages of p, which are valid until it returns.
func (p *Parcel) Each(f func(session.Message)) { each(p.run, p.Message, f) }

func each(run session.Run, m session.Message, f func(session.Message)) {
	if run.Len() == 0 {
		f(m)
		return
	}
	run.Each(func(x *session.Frame) { f(x.Message()) })
}

// loseLocked tells of messages that are dropped, unless their sender waits to be told himself.
func (o *Outlet) loseLocked(run session.Run, m session.Message, from *deadletter.Sender, watch Watch, label *session.Route, why deadletter.Reason) {
	if o.lost != nil && from != nil && watch == nil {
		each(run, m, func(m session.Message) { o.lost(Loss{Message: m, From: from, Label: label, Why: why}) })
	}
}

// first returns the first message of what waits.
func first(w waiting) session.Message {
	if w.run.Len() == 0 {
		return w.k.Message
	}
	head := w.run
	if w.run.Len() > 1 {
		head, _ = w.run.Split(1)
	}
	var m session.Message
	head.Each(func(f *session.Frame) { m = f.Message() })
	return m
}
