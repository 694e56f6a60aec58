// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"errors"
	"io"
	"iter"
	"reflect"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
)

// Publisher gives handles on topics: a Client, a Channel, a Server.
type Publisher interface {
	Topic(name string) session.Emitter
}

// Declarer declares topics: a Client, a Channel, a Server.
type Declarer interface {
	Declare(ctx context.Context, name string, terms service.TopicTerms) (*Registration, error)
}

// Declare allows publications on a topic until the Registration is closed: by this side
// only, or with WithShared by everybody. service.WithSchema announces what is published on
// it; nothing else says so, because a topic has no Go type until something is published.
func Declare(d Declarer, topic string, opts ...Option) (*Registration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), registerTimeout)
	defer cancel()
	o := service.Apply(opts)
	return d.Declare(ctx, topic, o.TopicTerms())
}

// Publish sends a value to all subscribers of a topic. It returns when the value is on its
// way, at most once to each; while the hub does not keep up it waits as long as ctx lets
// it. A topic that was not declared is status.Undeclared, a foreign one status.NotOwner.
func Publish[T any](ctx context.Context, p Publisher, topic string, v T, opts ...Option) error {
	if b, ok := any(v).([]byte); ok && len(opts) == 0 {
		return p.Topic(topic).Emit(ctx, session.Message{Codec: uint8(codec.IDRaw), Payload: b})
	}
	return emit(ctx, p.Topic(topic), &v, opts)
}

func emit[T any](ctx context.Context, to session.Emitter, v *T, opts []Option) error {
	o := service.Apply(opts)
	cd := codecOf(&o, reflect.TypeFor[T]())
	w, err := valueOf[T](cd)
	if err != nil {
		return err
	}
	b := lend()
	defer b.giveBack()
	m, err := w.message(&o, v, &b.request)
	if err != nil {
		return err
	}
	return o.Emit(ctx, to, m)
}

// Subscriber subscribes: a Client, a Channel, a Server.
type Subscriber interface {
	Subscribe(ctx context.Context, pattern string, o service.SubscribeOptions) (*service.Subscription, error)
}

// Subscription delivers the publications on the topics that match a pattern, to one
// goroutine.
type Subscription[T any] struct {
	*service.Subscription
	dec *decoder[T]
}

// Publication is a value with what came along.
type Publication[T any] struct {
	Value    T
	Channel  string
	Topic    string
	Sender   string // member id of the publisher
	Sequence uint64 // in the publisher's lane
	Dropped  uint64 // publications missing before this one: the subscriber was too slow
	Resumed  bool   // the connection was lost and made anew before this one: others may be missing
	Replayed bool   // it was published before the subscription began, and kept: service.WithReplay
}

// Subscribe subscribes to all topics that match a pattern: "quotes.acme", "quotes.*" (one
// token), "quotes.>" (one or more). It is effective when it returns: what is published
// after that is delivered. A subscriber that does not keep up loses the oldest, is told
// how many, and delays nobody.
func Subscribe[T any](ctx context.Context, s Subscriber, pattern string, opts ...Option) (*Subscription[T], error) {
	o := service.Apply(opts)
	sub, err := s.Subscribe(ctx, pattern, o.SubscribeOptions())
	if err != nil {
		return nil, err
	}
	return &Subscription[T]{sub, newDecoder[T](o.Codec)}, nil
}

// Next returns the next publication, io.EOF after Close.
func (s *Subscription[T]) Next(ctx context.Context) (Publication[T], error) {
	p, err := s.Borrow(ctx)
	if err != nil {
		return Publication[T]{}, err
	}
	out := Publication[T]{
		Channel: p.Channel, Topic: p.Topic, Sender: p.Sender, Sequence: p.Sequence, Dropped: p.Dropped,
		Replayed: p.Replayed, Resumed: p.Resumed,
	}
	err = s.dec.decode(p.Codec, p.Payload, &out.Value)
	return out, err
}

// All ranges over the values until the subscription or ctx ends. A value that does not
// decode is an error that does not end it.
func (s *Subscription[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			p, err := s.Borrow(ctx)
			var v T
			if errors.Is(err, io.EOF) {
				return
			}
			ended := err != nil
			if !ended {
				err = s.dec.decode(p.Codec, p.Payload, &v)
			}
			if !yield(v, err) || ended {
				return
			}
		}
	}
}
