// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"reflect"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Caller gives handles on methods: a Client, a Channel, a Peer, or a fake.
type Caller interface {
	Method(name string) session.Invoker
}

// Call calls a method and waits for its answer. The result type stands first, so that it
// is the only one to write: plexus.Call[Sum](ctx, math, "add", Add{1, 2}).
//
// It fails with a *status.Error whose code tells: nobody provides the method (NoProvider),
// the peer has none of that name (UnknownMethod), the time was up (DeadlineExceeded), the
// other side went away (PeerGone), and so on; Failed is what a handler returns that names
// no code.
func Call[Out, In any](ctx context.Context, c Caller, method string, in In, opts ...Option) (Out, error) {
	var out Out
	o := service.Apply(opts)
	begin(&o)
	cd := callCodec(&o, reflect.TypeFor[In](), reflect.TypeFor[Out]())
	v, err := valueOf[In](cd)
	if err != nil {
		return out, err
	}
	w, err := valueOf[Out](cd)
	if err != nil {
		return out, err
	}
	err = call(ctx, c.Method(method), &o, &v, &w, &in, &out)
	return out, err
}

// call makes a call with everything resolved.
func call[In, Out any](ctx context.Context, to session.Invoker, o *options, v *value[In], w *value[Out], in *In, out *Out) error {
	b := lend()
	defer b.giveBack()
	m, err := v.message(o, in, &b.request)
	if err != nil {
		return err
	}
	m.InPlace = w.loan
	rep, err := to.Call(ctx, m, w.room(b.reply))
	if m.Loan != nil {
		m.Loan.Release()
	}
	if err != nil {
		return err
	}
	if !w.Adopts() {
		b.reply = rep.Payload
	}
	return w.answer(rep, out)
}

func invalid(err error) error { return status.Errorf(status.InvalidArgument, "%w", err) }

// Bound is a method with everything resolved that can be. It is safe for concurrent use.
type Bound[In, Out any] struct {
	to  session.Invoker
	o   options
	in  value[In]
	out value[Out]
	err error

	fresh func() *Bound[In, Out] // of one call; nil mostly
}

// Bind resolves route, codec and types of a method once. With a codec whose values need no
// heap (raw, fixed) its calls allocate nothing. What is wrong with the types is reported
// by the first call.
func Bind[In, Out any](c Caller, method string, opts ...Option) *Bound[In, Out] {
	b := &Bound[In, Out]{to: c.Method(method), o: service.Apply(opts)}
	b.resolve()
	b.fresh = each[In, Out](b.to, &b.o)
	return b
}

// Call calls the method, like the function Call.
func (b *Bound[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	var out Out
	if b.err != nil {
		return out, b.err
	}
	if b.fresh != nil {
		return b.callEach(ctx, in)
	}
	err := call(ctx, b.to, &b.o, &b.in, &b.out, &in, &out)
	return out, err
}

// Future is a call that was begun with Go.
type Future[Out any] struct {
	pending *session.Pending
	out     value[Out]
	err     error
}

// starter is what an Invoker offers that can begin a call without waiting.
type starter interface {
	Go(ctx context.Context, m session.Message) (*session.Pending, error)
}

// Go begins a call and returns at once, or once the client has connected. ctx holds for the
// whole call: at its end the call is given up, whatever the handler does. A Future that nobody
// waits for costs nothing once its call has ended, unless its answer is a Loan: that is given
// back with the session.
func (b *Bound[In, Out]) Go(ctx context.Context, in In) *Future[Out] {
	if b.fresh != nil {
		b = b.fresh()
	}
	f := &Future[Out]{out: b.out, err: b.err}
	if f.err != nil {
		return f
	}
	s, ok := b.to.(starter)
	if !ok {
		f.err = status.Errorf(status.Unimplemented, "%T cannot begin a call without waiting", b.to)
		return f
	}
	x := lend()
	defer x.giveBack()
	var m session.Message
	if m, f.err = b.in.message(&b.o, &in, &x.request); f.err == nil {
		m.InPlace = b.out.loan
		f.pending, f.err = s.Go(ctx, m)
	}
	return f
}

// Wait returns the answer, each time it is called. At the end of its own ctx the call goes on:
// Cancel ends it.
func (f *Future[Out]) Wait(ctx context.Context) (Out, error) {
	var out Out
	if f.err != nil {
		return out, f.err
	}
	rep, err := f.pending.Wait(ctx)
	if err != nil {
		return out, err
	}
	err = f.out.answer(rep, &out)
	return out, err
}

// Done is closed when Wait has something to return, for a select.
func (f *Future[Out]) Done() <-chan struct{} {
	if f.err != nil {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return f.pending.Done()
}

// Cancel gives the call up; Wait then returns status.Cancelled, or the answer if it was
// faster. It is harmless after the end.
func (f *Future[Out]) Cancel() {
	if f.err == nil {
		f.pending.Cancel()
	}
}
