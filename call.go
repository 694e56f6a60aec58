// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"reflect"

	"github.com/plexus-ipc/plexus/codec"
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
	o := apply(opts)
	cd := o.codecOf(reflect.TypeFor[In]())
	v, err := codec.For[In](cd)
	if err != nil {
		return out, invalid(err)
	}
	w, err := codec.For[Out](cd)
	if err != nil {
		return out, invalid(err)
	}
	b := lend()
	defer b.giveBack()
	if b.request, err = v.Append(b.request[:0], &in); err != nil {
		return out, invalid(err)
	}
	rep, err := c.Method(method).Call(ctx, o.msg(cd.ID(), b.request), b.reply[:0])
	if err != nil {
		return out, err
	}
	b.reply = rep.Payload
	err = decodeReply(w, rep, &out)
	return out, err
}

func invalid(err error) error { return status.Errorf(status.InvalidArgument, "%w", err) }

// decodeReply decodes an answer, which comes in the codec of the request.
func decodeReply[Out any](w codec.Value[Out], rep session.Reply, out *Out) error {
	if rep.Codec != uint8(w.Codec().ID()) {
		return status.Errorf(status.Protocol, "the answer came in codec %d, the request went in %s", rep.Codec, w.Codec().Name())
	}
	if err := w.Decode(rep.Payload, out); err != nil {
		return status.Errorf(status.InvalidArgument, "the answer does not decode: %w", err)
	}
	return nil
}

// Bound is a method with everything resolved that can be. It is safe for concurrent use.
type Bound[In, Out any] struct {
	to  session.Invoker
	o   options
	in  codec.Value[In]
	out codec.Value[Out]
	err error
}

// Bind resolves route, codec and types of a method once. With a codec whose values need no
// heap (raw, fixed) its calls allocate nothing. What is wrong with the types is reported
// by the first call.
func Bind[In, Out any](c Caller, method string, opts ...Option) *Bound[In, Out] {
	b := &Bound[In, Out]{to: c.Method(method), o: apply(opts)}
	cd := b.o.codecOf(reflect.TypeFor[In]())
	if b.in, b.err = codec.For[In](cd); b.err == nil {
		b.out, b.err = codec.For[Out](cd)
	}
	return b
}

// Call calls the method, like the function Call.
func (b *Bound[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	var out Out
	if b.err != nil {
		return out, invalid(b.err)
	}
	var err error
	x := lend()
	defer x.giveBack()
	if x.request, err = b.in.Append(x.request[:0], &in); err != nil {
		return out, invalid(err)
	}
	rep, err := b.to.Call(ctx, b.o.msg(b.in.Codec().ID(), x.request), x.reply[:0])
	if err != nil {
		return out, err
	}
	x.reply = rep.Payload
	err = decodeReply(b.out, rep, &out)
	return out, err
}

// Future is a call that was begun with Go.
type Future[Out any] struct {
	pending *session.Pending
	out     codec.Value[Out]
	err     error
}

// starter is what an Invoker offers that can begin a call without waiting.
type starter interface {
	Go(ctx context.Context, m session.Message) (*session.Pending, error)
}

// Go begins a call and returns at once. The deadline of ctx holds for the call.
func (b *Bound[In, Out]) Go(ctx context.Context, in In) *Future[Out] {
	f := &Future[Out]{out: b.out, err: b.err}
	if f.err != nil {
		return f
	}
	s, ok := b.to.(starter)
	if !ok {
		f.err = status.Errorf(status.Unimplemented, "%T cannot begin a call without waiting", b.to)
		return f
	}
	var request []byte
	if request, f.err = b.in.Append(nil, &in); f.err == nil {
		f.pending, f.err = s.Go(ctx, b.o.msg(b.in.Codec().ID(), request))
	}
	return f
}

// Wait returns the answer. At the end of ctx the call goes on: Cancel ends it.
func (f *Future[Out]) Wait(ctx context.Context) (Out, error) {
	var out Out
	if f.err != nil {
		return out, f.err
	}
	rep, err := f.pending.Wait(ctx)
	if err != nil {
		return out, err
	}
	err = decodeReply(f.out, rep, &out)
	return out, err
}

// Done is closed when the answer is there.
func (f *Future[Out]) Done() <-chan struct{} {
	if f.err != nil {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return f.pending.Done()
}

// Cancel gives the call up; Wait then returns status.Cancelled, or the answer if it was
// faster.
func (f *Future[Out]) Cancel() {
	if f.err == nil {
		f.pending.Cancel()
	}
}
