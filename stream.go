// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"context"
	"errors"
	"io"
	"iter"
	"reflect"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

func wrongShape(c *session.Call, want session.Shape) error {
	return status.Errorf(status.WrongShape, "%s is a %s method, it was called as %s", c.Route().Name, want, c.Shape())
}

// Stream calls a method that answers with a stream and ranges over the items. The first
// error ends it; leaving the loop early tells the producer to stop. The consumer sets the
// pace: what it has not taken is not produced, but for a window.
func Stream[Item, In any](ctx context.Context, c Caller, method string, in In, opts ...Option) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var none Item
		d, err := open[In, Item](ctx, c, method, session.ServerStream, &in, opts)
		if err != nil {
			yield(none, err)
			return
		}
		defer d.Close()
		for {
			item, err := d.Recv(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// HandleStream offers a method that answers with a stream. f sends items with send, which
// waits while the consumer does not keep up and fails once it has gone. When f returns
// the stream ends.
func HandleStream[In, Item any](p Provider, method string, f func(ctx context.Context, in In, send func(Item) error) error, opts ...Option) (*Registration, error) {
	o := service.Apply(opts)
	ins := newDecoder[In](o.Codec)
	return offer[In, Item](p, method, session.ServerStream, &o, ins, func(c *session.Call) {
		o, own := answering(&o)
		ins := decoding(ins, o, own)
		var in In
		if err := ins.decode(c.Codec, c.Payload, &in); err != nil {
			c.Fail(err)
			return
		}
		serveDuplex(c, session.ServerStream, o, nil, func(ctx context.Context, d *Duplex[Item, struct{}]) error {
			return f(ctx, in, func(item Item) error { return d.Send(ctx, item) })
		})
	})
}

// Duplex is a typed stream in both directions, at either end. One goroutine may send and
// one receive at a time. In is what is sent, Out what is received.
type Duplex[In, Out any] struct {
	x    *session.Stream
	in   *value[In]
	out  *decoder[Out]
	ends bool // the calling end
	opts options
	done func()
}

// Open calls a method with streams in both directions. ctx holds for the whole stream.
func Open[In, Out any](ctx context.Context, c Caller, method string, opts ...Option) (*Duplex[In, Out], error) {
	return open[In, Out](ctx, c, method, session.Duplex, nil, opts)
}

// open begins a streaming call; request may be nil.
func open[In, Out any](ctx context.Context, c Caller, method string, shape session.Shape, request *In, opts []Option) (*Duplex[In, Out], error) {
	o := service.Apply(opts)
	begin(&o)
	cd := callCodec(&o, reflect.TypeFor[In](), reflect.TypeFor[Out]()) // of what comes back
	items := cd
	if request == nil {
		items = codecOf(&o, reflect.TypeFor[In]())
	}
	v, err := valueOf[In](items)
	if err != nil {
		return nil, err
	}
	d := &Duplex[In, Out]{in: &v, out: newDecoder[Out](cd), ends: true, opts: o}
	m := message(&o, cd.ID(), nil)
	if request != nil {
		var scratch []byte
		if m, err = v.message(&o, request, &scratch); err != nil {
			return nil, err
		}
	}
	ctx, d.done = context.WithCancel(ctx)
	if d.x, err = c.Method(method).Open(ctx, shape, m); err != nil {
		d.done()
		return nil, err
	}
	return d, nil
}

// Send sends an item. It waits while the other side does not keep up.
func (d *Duplex[In, Out]) Send(ctx context.Context, item In) error {
	if p, ok := d.in.Alias(&item); ok && !d.in.loan {
		return d.x.Send(ctx, message(&d.opts, d.in.c.ID(), p))
	}
	b := lend()
	defer b.giveBack()
	m, err := d.in.message(&d.opts, &item, &b.request)
	if err != nil {
		return err
	}
	return d.x.Send(ctx, m)
}

// Recv returns the next item, io.EOF after the last.
func (d *Duplex[In, Out]) Recv(ctx context.Context) (Out, error) {
	var out Out
	if d.out.adopts { // the item's memory becomes the value's
		codec, payload, err := d.x.RecvPayload(ctx)
		if err == nil {
			err = d.out.take(codec, payload, &out)
		}
		return out, err
	}
	b := lend()
	defer b.giveBack()
	item, err := d.x.Recv(ctx, b.reply[:0])
	if err != nil {
		return out, err
	}
	b.reply = item.Payload
	err = d.out.take(item.Codec, item.Payload, &out)
	return out, err
}

// All ranges over the items that are still to come.
func (d *Duplex[In, Out]) All(ctx context.Context) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		for {
			out, err := d.Recv(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// Each calls f with each item that is still to come: a callback instead of a loop. It returns
// nil after the last one, else the first error: of the stream, of ctx or of f, which does not
// end the stream.
func (d *Duplex[In, Out]) Each(ctx context.Context, f func(Out) error) error {
	for out, err := range d.All(ctx) {
		if err == nil {
			err = f(out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// CloseSend says that no more items come from this side.
func (d *Duplex[In, Out]) CloseSend() error { return d.x.CloseSend() }

// Close ends the stream at the calling end: what is still under way is given up. It is
// harmless after the end.
func (d *Duplex[In, Out]) Close() error {
	if d.ends {
		d.x.Cancel()
		d.done()
	}
	return nil
}

// Wait waits at the calling end until the handler has returned, and returns its error.
// Items that have not been received are dropped.
func (d *Duplex[In, Out]) Wait(ctx context.Context) error {
	_, err := d.x.Reply(ctx)
	return err
}

// HandleDuplex offers a method with streams in both directions. The stream ends when f
// returns.
func HandleDuplex[In, Out any](p Provider, method string, f func(ctx context.Context, d *Duplex[Out, In]) error, opts ...Option) (*Registration, error) {
	o := service.Apply(opts)
	ins := newDecoder[In](o.Codec)
	return offer[In, Out](p, method, session.Duplex, &o, ins, func(c *session.Call) {
		o, own := answering(&o)
		serveDuplex(c, session.Duplex, o, decoding(ins, o, own), f)
	})
}

// serveDuplex serves a call with streams. Items go out in the codec of the request; what
// comes in is decoded by ins, nil if nothing does.
func serveDuplex[In, Out any](c *session.Call, shape session.Shape, o *options, ins *decoder[Out], f func(ctx context.Context, d *Duplex[In, Out]) error) {
	if c.Shape() != shape {
		c.Fail(wrongShape(c, shape))
		return
	}
	v, err := newDecoder[In](o.Codec).find(c.Codec)
	if err != nil {
		c.Fail(err)
		return
	}
	ctx := c.Context()
	x, err := c.Stream()
	if err != nil {
		c.Fail(err)
		return
	}
	if err := f(ctx, &Duplex[In, Out]{x: x, in: v, out: ins, opts: *o}); err != nil {
		c.Fail(err)
		return
	}
	c.Reply(session.Message{Codec: c.Codec})
}

// Upload is the calling end of a method that takes a stream and answers once.
type Upload[Item, Out any] struct{ d *Duplex[Item, Out] }

// OpenUpload calls a method that takes a stream of items and answers once.
func OpenUpload[Item, Out any](ctx context.Context, c Caller, method string, opts ...Option) (*Upload[Item, Out], error) {
	d, err := open[Item, Out](ctx, c, method, session.ClientStream, nil, opts)
	if err != nil {
		return nil, err
	}
	return &Upload[Item, Out]{d}, nil
}

// Send sends an item. It waits while the handler does not keep up.
func (u *Upload[Item, Out]) Send(ctx context.Context, item Item) error { return u.d.Send(ctx, item) }

// Finish says that all items are sent and waits for the answer.
func (u *Upload[Item, Out]) Finish(ctx context.Context) (Out, error) {
	var out Out
	defer u.d.Close()
	if err := u.d.CloseSend(); err != nil {
		return out, err
	}
	rep, err := u.d.x.Reply(ctx)
	if err != nil {
		return out, err
	}
	err = u.d.out.decode(rep.Codec, rep.Payload, &out)
	return out, err
}

// Close gives the upload up; it is harmless after Finish.
func (u *Upload[Item, Out]) Close() error { return u.d.Close() }

// HandleUpload offers a method that takes a stream of items and answers once.
func HandleUpload[Item, Out any](p Provider, method string, f func(ctx context.Context, items iter.Seq2[Item, error]) (Out, error), opts ...Option) (*Registration, error) {
	o := service.Apply(opts)
	ins, outs := newDecoder[Item](o.Codec), newDecoder[Out](o.Codec)
	return offer[Item, Out](p, method, session.ClientStream, &o, ins, func(c *session.Call) {
		if c.Shape() != session.ClientStream {
			c.Fail(wrongShape(c, session.ClientStream))
			return
		}
		o, own := answering(&o)
		ins, outs := decoding(ins, o, own), decoding(outs, o, own)
		w, err := outs.find(c.Codec)
		if err != nil {
			c.Fail(err)
			return
		}
		ctx := c.Context()
		x, err := c.Stream()
		if err != nil {
			c.Fail(err)
			return
		}
		d := &Duplex[struct{}, Item]{x: x, out: ins}
		out, err := f(ctx, d.All(ctx))
		if err != nil {
			c.Fail(err)
			return
		}
		reply(c, w, &out)
	})
}

// Bytes makes a stream of byte slices an io.ReadWriteCloser: Write sends, Read receives,
// Close ends this side's direction. ctx holds for all of them.
func Bytes(ctx context.Context, d *Duplex[[]byte, []byte]) io.ReadWriteCloser {
	return &byteStream{ctx: ctx, d: d}
}

type byteStream struct {
	ctx  context.Context
	d    *Duplex[[]byte, []byte]
	rest []byte
}

// Read implements io.Reader.
func (b *byteStream) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		var err error
		if b.rest, err = b.d.Recv(b.ctx); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// pieceSize is the most that Write puts into one item.
const pieceSize = 64 << 10

// Write implements io.Writer.
func (b *byteStream) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		piece := p[n:min(n+pieceSize, len(p))]
		if err := b.d.Send(b.ctx, piece); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return len(p), nil
}

// Close implements io.Closer.
func (b *byteStream) Close() error { return b.d.CloseSend() }
