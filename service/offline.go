// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Sending sends a one-way message on a session. The message is the sender's until it returns.
type Sending func(ctx context.Context, s *session.Session, m session.Message) error

// Holder keeps one-way messages while a session is lost and the next is being made.
type Holder interface {
	// Hold keeps a copy of m for the next session, where send sends it, or returns false if
	// there is one now: then m is to be sent by the caller. While what was kept before is being
	// sent it waits, as long as ctx lets it. An error says that m is neither kept nor to be sent.
	Hold(ctx context.Context, m *session.Message, send Sending) (held bool, err error)
}

// holds is a Source that may keep one-way messages.
type holds interface {
	// Holder returns what keeps them, nil for nothing.
	Holder() Holder
}

// holderOf returns what keeps the one-way messages of a source, nil if nothing does.
func holderOf(s Source) Holder {
	if h, ok := plain(s).(holds); ok {
		return h.Holder()
	}
	return nil
}

// emitHeld sends a one-way message, or has it kept while there is no session.
func (h *Handle) emitHeld(ctx context.Context, m session.Message, send Sending) error {
	for {
		held, err := h.hold.Hold(ctx, &m, send)
		if held || err != nil {
			return err
		}
		s, err := h.source.Session(ctx)
		if err != nil {
			return err
		}
		err = send(ctx, s, m)
		if err == nil || s.Err() == nil || m.Loan != nil || !status.Retryable(err) || ctx.Err() != nil {
			return locked(h.source, err)
		}
		// It was certainly not sent, and the session has ended.
	}
}

// opened makes sure that the channel's password was given on a session.
func (h *Handle) opened(ctx context.Context, s *session.Session) error {
	if k, ok := h.source.(*keyed); ok {
		return k.opened(ctx, s, false)
	}
	return nil
}

// emitOn sends an event on a session.
func (h *Handle) emitOn(ctx context.Context, s *session.Session, m session.Message) error {
	if err := h.opened(ctx, s); err != nil {
		return err
	}
	return h.on(s).route.Emit(ctx, m)
}

// emitOn publishes on a session, or to this side's own subscribers.
func (p *publisher) emitOn(ctx context.Context, s *session.Session, m session.Message) error {
	if err := p.h.opened(ctx, s); err != nil {
		return err
	}
	at, b := p.h.on(s), &p.h.bind
	if !at.hub && p.c.table.Declared(b.Channel, b.Name) {
		return p.c.table.Publish(b.Channel, b.Name, m)
	}
	return at.route.Emit(ctx, m)
}
