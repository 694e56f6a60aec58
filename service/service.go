// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/status"
)

// Host is where a Service can be attached: a client, a channel, a server, or another Service.
type Host interface {
	Offer(ctx context.Context, name string, terms Terms, h Handler) (*Registration, error)
	Declare(ctx context.Context, name string, terms TopicTerms) (*Registration, error)
	Listen(name string, f func(Event)) *Listener
}

// Service collects what is to be offered together: methods of every shape, topics and
// listeners. It is filled like a channel (plexus.Handle, HandleStream, HandleUpload,
// HandleDuplex, Declare, On), or from a value's methods (AddMethods), and offers nothing
// until it is attached. The zero value is ready to use. It is safe for concurrent use.
type Service struct {
	mu    sync.Mutex
	parts []*part // in the order in which they were added
}

// part is one thing that a Service offers.
type part struct {
	what, name string // "method", "topic" or "listener"; its name
	attach     func(ctx context.Context, to Host) (undo func(context.Context) error, err error)
}

// New returns an empty Service.
func New() *Service { return &Service{} }

// Offer adds a method, see plexus.Handle. Closing the Registration takes it out again: what
// has been attached already stays. A name that the Service has is status.AlreadyExists.
func (s *Service) Offer(_ context.Context, name string, terms Terms, h Handler) (*Registration, error) {
	if err := validMethod("", name); err != nil {
		return nil, err
	}
	if err := terms.check(); err != nil {
		return nil, err
	}
	return s.add(&part{"method", name, func(ctx context.Context, to Host) (func(context.Context) error, error) {
		return undoOf(to.Offer(ctx, name, terms, h))
	}})
}

// Declare adds a topic, see plexus.Declare and Offer.
func (s *Service) Declare(_ context.Context, name string, terms TopicTerms) (*Registration, error) {
	if err := validTopic("", name); err != nil {
		return nil, err
	}
	if err := jsonschema.Check(terms.Schema); err != nil {
		return nil, err
	}
	return s.add(&part{"topic", name, func(ctx context.Context, to Host) (func(context.Context) error, error) {
		return undoOf(to.Declare(ctx, name, terms))
	}})
}

// Listen adds a listener, see plexus.On: there may be several of one name. Closing it takes
// it out again: what has been attached already stays.
func (s *Service) Listen(name string, f func(Event)) *Listener {
	p := &part{"listener", name, func(ctx context.Context, to Host) (func(context.Context) error, error) {
		if err := join(ctx, to); err != nil {
			return nil, err
		}
		l := to.Listen(name, f)
		return func(context.Context) error { l.Close(); return nil }, nil
	}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, p)
	return &Listener{closing: func() { s.remove(p) }}
}

// undoOf returns what closes a Registration.
func undoOf(r *Registration, err error) (func(context.Context) error, error) {
	if err != nil {
		return nil, err
	}
	return r.Close, nil
}

// join joins the channel of a hub: who is no member is not sent its broadcasts.
func join(ctx context.Context, to Host) error {
	c, ok := to.(*Channel)
	if !ok || c.name == "" {
		return nil
	}
	s, err := c.source.Session(ctx)
	if err != nil || !hubAt(s) {
		return err
	}
	_, err = c.Join(ctx)
	return err
}

// add enters a part that must be the only one of its name.
func (s *Service) add(p *part) (*Registration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.parts, func(o *part) bool { return o.what == p.what && o.name == p.name }) {
		return nil, status.Errorf(status.AlreadyExists, "the service has a %s %q already", p.what, p.name)
	}
	s.parts = append(s.parts, p)
	return NewRegistration(func() { s.remove(p) }), nil
}

func (s *Service) remove(p *part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = slices.DeleteFunc(s.parts, func(o *part) bool { return o == p })
}

// undoTimeout bounds how long a hub is waited for when what was attached is taken back.
const undoTimeout = 10 * time.Second

// Attach offers everything that the Service has now, in the order in which it was added.
// Either all is offered when it returns, or it fails and offers nothing: the error names
// what was refused and keeps the code. A channel of a hub is joined, and stays joined.
//
// The Registration withdraws all of it. The Service may be attached to several hosts, and
// again to a new client after the old one was cut.
func (s *Service) Attach(ctx context.Context, to Host) (*Registration, error) {
	s.mu.Lock()
	parts := slices.Clone(s.parts)
	s.mu.Unlock()
	undo := make([]func(context.Context) error, 0, len(parts))
	for _, p := range parts {
		u, err := p.attach(ctx, to)
		if err != nil {
			back, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
			defer cancel()
			return nil, errors.Join(p.refused(err), undoAll(back, undo))
		}
		undo = append(undo, u)
	}
	return &Registration{withdraw: func(ctx context.Context) error { return undoAll(ctx, undo) }}, nil
}

// undoAll undoes in reverse order, all of it whatever fails.
func undoAll(ctx context.Context, undo []func(context.Context) error) error {
	var errs []error
	for _, u := range slices.Backward(undo) {
		errs = append(errs, u(ctx))
	}
	return errors.Join(errs...)
}

// refused returns err with the name of the part in front.
func (p *part) refused(err error) error {
	e := *status.Convert(err)
	e.Message = p.what + " " + quoted(p.name) + " is not attached, nor is the rest of the service: " + e.Message
	e.Err = err
	return &e
}

// quoted names a listener of all names, too.
func quoted(name string) string {
	if name == "" {
		return "of everything"
	}
	return `"` + name + `"`
}
