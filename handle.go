// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"time"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
)

// Provider offers methods: a Client, a Channel, a Server.
type Provider interface {
	// Offer offers a method until the Registration is closed or the session ends. It
	// returns once the method can be called.
	Offer(ctx context.Context, name string, terms service.Terms, h service.Handler) (*Registration, error)
}

// Registration is something that this side offers until it is closed.
type Registration = service.Registration

// registerTimeout bounds the wait for a hub's answer to a registration.
const registerTimeout = 10 * time.Second

// Handle offers a method: f is called with each request and returns the answer. It may
// take its time, call others or its caller, and runs at the same time as other calls. Its
// context ends when the caller gives up; an error with a code (status.Errorf) keeps it, any
// other becomes status.Failed. The answer travels in the codec of the request.
//
// The method is announced with JSON Schemas of In and Out, see jsonschema.Of; the options
// service.WithSchema and WithoutSchema replace them. What does not decode as In is
// status.InvalidArgument; service.WithValidator judges requests by the whole schema.
func Handle[In, Out any](p Provider, method string, f func(ctx context.Context, in In) (Out, error), opts ...Option) (*Registration, error) {
	o := service.Apply(opts)
	h := &handler[In, Out]{in: newDecoder[In](o.Codec), out: newDecoder[Out](o.Codec), f: f, opts: &o}
	return offer[In, Out](p, method, session.Unary, &o, h.in, h.serve)
}

// offer offers a method that is sent values of type In, which in decodes, and sends Out.
func offer[In, Out any](p Provider, method string, shape session.Shape, o *options, in *decoder[In], h service.Handler) (*Registration, error) {
	terms, err := o.Terms(shape, announced[In](), announced[Out]())
	if err != nil {
		return nil, err
	}
	if in.judge, err = o.Judge(terms.Input); err != nil {
		return nil, err
	}
	terms.InPlace = isLoan[In]()
	ctx, cancel := context.WithTimeout(context.Background(), registerTimeout)
	defer cancel()
	return p.Offer(ctx, method, terms, h)
}

type handler[In, Out any] struct {
	in  *decoder[In]
	out *decoder[Out]
	f   func(ctx context.Context, in In) (Out, error)

	opts *options
}

func (h *handler[In, Out]) serve(c *session.Call) {
	if c.Shape() != session.Unary {
		c.Fail(wrongShape(c, session.Unary))
		return
	}
	if h.in.alone {
		h = h.anew()
	}
	var in In
	if err := h.in.request(c, &in); err != nil {
		c.Fail(err)
		return
	}
	w, err := h.out.find(c.Codec)
	if err != nil {
		c.Fail(err)
		return
	}
	out, err := h.f(c.Context(), in)
	if err != nil {
		c.Fail(err)
		return
	}
	reply(c, w, &out)
}

// reply answers a call with a value.
func reply[Out any](c *session.Call, w *value[Out], out *Out) {
	b := lend()
	defer b.giveBack()
	m, err := w.message(&plain, out, &b.reply)
	if err != nil {
		c.Fail(err)
		return
	}
	c.Reply(m)
	if m.Loan != nil {
		m.Loan.Release()
	}
}

// plain are the options of an answer.
var plain options
