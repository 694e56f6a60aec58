// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"fmt"
	"time"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
)

// Sender gives handles on events for one: a Client, a Channel, a Peer.
type Sender interface {
	Event(name string) session.Emitter
}

// Broadcaster gives handles on events for all members: a Client, a Channel, a Server.
type Broadcaster interface {
	Broadcast(name string) session.Emitter
}

// Listener takes events: a Client, a Channel, a Server.
type Listener interface {
	Listen(name string, f func(service.Event)) *service.Listener
}

// Send sends a one-way message to the member that provides the name, to one that was
// chosen with Channel.At, or to the direct peer. No answer comes; at most once.
func Send[T any](ctx context.Context, s Sender, event string, v T, opts ...Option) error {
	return emit(ctx, s.Event(event), &v, opts)
}

// Broadcast sends a one-way message to all other members of the channel, or to all peers
// of a server.
func Broadcast[T any](ctx context.Context, b Broadcaster, event string, v T, opts ...Option) error {
	return emit(ctx, b.Broadcast(event), &v, opts)
}

// On has f called for each event of that name, or for all if it is "", one at a time and
// in order. In a channel of a hub it hears directed events at once, broadcasts only as a
// member: see Channel.Join. The context carries the Envelope and never ends.
//
// An event that does not decode is told to the function of service.WithOnError, or else to
// OnError of the client or server (DialOptions, ListenOptions), who are also told if f panics.
func On[T any](l Listener, event string, f func(ctx context.Context, v T), opts ...Option) *service.Listener {
	o := service.Apply(opts)
	dec := newDecoder[T](o.Codec)
	return l.Listen(event, func(e service.Event) {
		var v T
		if err := dec.decode(e.Codec, e.Payload, &v); err != nil {
			if o.OnError != nil {
				o.OnError(err)
				return
			}
			e.Fail(fmt.Errorf("event %q of %s: %w", e.Name, e.Sender, err))
			return
		}
		f(context.WithValue(context.Background(), eventKey{}, &e), v)
	})
}

type eventKey struct{}

// Envelope is what came with a call or an event besides its value.
type Envelope struct {
	Channel, Name string
	Sender        string // member id; a hub vouches for it
	Broadcast     bool
	Priority      uint8
	Headers       []session.Pair // in the order in which the sender added them
	Time          time.Time      // when the sender says it was sent, zero if it does not
	Deadline      time.Time      // zero for none
	Session       *session.Session
}

// EnvelopeOf returns the envelope of what a handler's or listener's context belongs to. It
// costs nothing to those that do not ask.
func EnvelopeOf(ctx context.Context) (Envelope, bool) {
	if in, ok := session.FromContext(ctx); ok {
		env := envelope(in)
		env.Deadline, _ = ctx.Deadline()
		return env, true
	}
	if e, ok := ctx.Value(eventKey{}).(*service.Event); ok {
		env := envelope(&e.In)
		env.Broadcast = e.Broadcast
		return env, true
	}
	return Envelope{}, false
}

func envelope(in *session.Incoming) Envelope {
	return Envelope{
		Channel: in.Bind.Channel, Name: in.Bind.Name, Sender: in.Sender(), Priority: in.Header.Priority(),
		Headers: session.Headers(in.Ext), Time: session.Timestamp(in.Ext), Session: in.Session,
	}
}
