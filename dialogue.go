// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"reflect"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/session"
)

// begin has a call's options carry the codec of that call, where the chosen one wants one for each.
func begin(o *options) {
	if o.Codec == nil {
		return
	}
	if d, ok := o.Codec.(codec.Dialogue); ok {
		o.Codec = d.Begin()
	}
}

// answering returns the options of one call for its handler. Mostly they are the handler's own.
func answering(o *options) (_ *options, own bool) {
	d, ok := o.Codec.(codec.Dialogue)
	if !ok {
		return o, false
	}
	mine := *o
	mine.Codec = d.Answer()
	return &mine, true
}

// decoding returns what decodes the requests of one call: all, or a decoder made for it.
func decoding[T any](all *decoder[T], o *options, own bool) *decoder[T] {
	if !own || all == nil {
		return all
	}
	d := newDecoder[T](o.Codec)
	d.judge = all.judge
	return d
}

// anew returns a handler for one call.
func (h *handler[In, Out]) anew() *handler[In, Out] {
	o, own := answering(h.opts)
	return &handler[In, Out]{in: decoding(h.in, o, own), out: decoding(h.out, o, own), f: h.f}
}

// each returns a function that makes a Bound of one call, nil if all calls can share one.
func each[In, Out any](to session.Invoker, o *options) func() *Bound[In, Out] {
	d, ok := o.Codec.(codec.Dialogue)
	if !ok {
		return nil
	}
	return func() *Bound[In, Out] {
		b := &Bound[In, Out]{to: to, o: *o}
		b.o.Codec = d.Begin()
		b.resolve()
		return b
	}
}

// resolve sets what depends on the codec and the types.
func (b *Bound[In, Out]) resolve() {
	cd := callCodec(&b.o, reflect.TypeFor[In](), reflect.TypeFor[Out]())
	if b.in, b.err = valueOf[In](cd); b.err == nil {
		b.out, b.err = valueOf[Out](cd)
	}
}

// callEach is Call for a codec that wants one for each call.
func (b *Bound[In, Out]) callEach(ctx context.Context, in In) (Out, error) {
	return b.fresh().Call(ctx, in)
}
