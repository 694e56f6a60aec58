// SPDX-License-Identifier: Apache-2.0

package methods

import (
	"context"
	"errors"
	"io"
	"reflect"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Handler returns what serves the calls: in the codec of the request, if it is one of codecs.
// judge, if not nil, judges what is sent first.
func (m *Method) Handler(codecs codec.Set, judge jsonschema.Judge) func(*session.Call) {
	return (&handler{m, codecs, judge}).serve
}

// handler serves a Method.
type handler struct {
	*Method
	codecs codec.Set
	judge  jsonschema.Judge // nil mostly
}

func (h *handler) serve(c *session.Call) {
	if c.Shape() != h.Shape {
		c.Fail(status.Errorf(status.WrongShape, "%s is a %s method, it was called as %s", h.Name, h.Shape, c.Shape()))
		return
	}
	answer, err := h.answer(c)
	if err != nil {
		c.Fail(err)
		return
	}
	if err := c.Reply(answer); err != nil {
		c.Fail(err)
	}
}

// answer has the method called and encodes what it returns.
func (h *handler) answer(c *session.Call) (m session.Message, err error) {
	m.Codec = c.Codec
	cd, err := h.codec(c.Codec)
	if err != nil {
		return m, err
	}
	args := []reflect.Value{reflect.ValueOf(c.Context()), {}}
	if h.Shape == session.Unary || h.Shape == session.ServerStream {
		if args[1], err = h.decode(c.Codec, c.Payload); err != nil {
			return m, err
		}
	}
	var x *session.Stream
	if h.Shape != session.Unary {
		if x, err = c.Stream(); err != nil {
			return m, err
		}
	}
	if h.Shape == session.ClientStream || h.Shape == session.Duplex {
		args[1] = h.items(c.Context(), x)
	}
	if h.f.Type().NumIn() == 3 {
		args = append(args, h.sender(c.Context(), x, cd))
	}
	out := h.f.Call(args)
	if h.seq {
		return m, h.sendAll(c.Context(), out[0], x, cd)
	}
	if err, _ := out[len(out)-1].Interface().(error); err != nil || len(out) == 1 {
		return m, err
	}
	m.Payload, err = encode(cd, out[0])
	return m, err
}

func (h *handler) codec(id uint8) (codec.Codec, error) {
	if cd, ok := h.codecs.ByID(codec.ID(id)); ok {
		return cd, nil
	}
	return nil, status.Errorf(status.InvalidArgument, "codec %d is not known here", id)
}

// decode returns the value that the caller has sent.
func (h *handler) decode(id uint8, payload []byte) (v reflect.Value, err error) {
	cd, err := h.codec(id)
	if err != nil {
		return v, err
	}
	if h.judge != nil {
		if err := h.judge(id, payload); err != nil {
			return v, err
		}
	}
	p := reflect.New(h.In)
	if err := cd.Decode(payload, p.Interface()); err != nil {
		return v, status.Errorf(status.InvalidArgument, "the value does not decode: %w", err)
	}
	return p.Elem(), nil
}

// encode encodes a value: by a pointer, so that methods with pointer receivers are found.
func encode(cd codec.Codec, v reflect.Value) ([]byte, error) {
	if k := v.Kind(); k != reflect.Pointer && k != reflect.Interface {
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		v = p
	}
	b, err := cd.Append(nil, v.Interface())
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	return b, nil
}

// send sends one item.
func send(ctx context.Context, x *session.Stream, cd codec.Codec, v reflect.Value) error {
	b, err := encode(cd, v)
	if err != nil {
		return err
	}
	return x.Send(ctx, session.Message{Codec: uint8(cd.ID()), Payload: b})
}

// sender is the function by which the method sends.
func (h *handler) sender(ctx context.Context, x *session.Stream, cd codec.Codec) reflect.Value {
	return reflect.MakeFunc(h.f.Type().In(2), func(args []reflect.Value) []reflect.Value {
		return []reflect.Value{errorValue(send(ctx, x, cd, args[0]))}
	})
}

// sendAll sends what an iter.Seq2 gives, until its first error.
func (h *handler) sendAll(ctx context.Context, seq reflect.Value, x *session.Stream, cd codec.Codec) (err error) {
	if seq.IsNil() {
		return nil
	}
	yield := reflect.MakeFunc(seq.Type().In(0), func(args []reflect.Value) []reflect.Value {
		if err == nil { // else it was told to stop, and goes on
			err, _ = args[1].Interface().(error)
		}
		if err == nil {
			err = send(ctx, x, cd, args[0])
		}
		return []reflect.Value{reflect.ValueOf(err == nil)}
	})
	seq.Call([]reflect.Value{yield})
	return err
}

// items is the iter.Seq2 of what the caller sends.
func (h *handler) items(ctx context.Context, x *session.Stream) reflect.Value {
	return reflect.MakeFunc(h.f.Type().In(1), func(args []reflect.Value) []reflect.Value {
		for {
			item, err := x.Recv(ctx, nil)
			if errors.Is(err, io.EOF) {
				return nil
			}
			v := reflect.Zero(h.In)
			if err == nil {
				var got reflect.Value
				if got, err = h.decode(item.Codec, item.Payload); err == nil {
					v = got
				}
			}
			if !args[0].Call([]reflect.Value{v, errorValue(err)})[0].Bool() || err != nil {
				return nil
			}
		}
	})
}

// errorValue makes an error, also nil, a reflect.Value.
func errorValue(err error) reflect.Value {
	if err == nil {
		return reflect.Zero(errorType)
	}
	return reflect.ValueOf(&err).Elem()
}
