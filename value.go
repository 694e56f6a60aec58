// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"reflect"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// value is how values of type T travel with one codec. A *session.Loan travels as raw bytes,
// by reference where memory is shared.
type value[T any] struct {
	codec.Value[T]
	c    codec.Codec
	loan bool
}

var loanType = reflect.TypeFor[*session.Loan]()

func isLoan[T any]() bool { return reflect.TypeFor[T]() == loanType }

// announced returns the type whose schema T is announced with.
func announced[T any]() reflect.Type {
	if isLoan[T]() {
		return bytesType
	}
	return reflect.TypeFor[T]()
}

// valueOf resolves T with c.
func valueOf[T any](c codec.Codec) (value[T], error) {
	if isLoan[T]() {
		if c.ID() != codec.IDRaw {
			return value[T]{}, status.Errorf(status.InvalidArgument, "a Loan is bytes and travels raw, not as %s", c.Name())
		}
		return value[T]{c: c, loan: true}, nil
	}
	v, err := codec.For[T](c)
	if err != nil {
		return value[T]{}, invalid(err)
	}
	return value[T]{Value: v, c: c}, nil
}

// message returns what carries *in, which is encoded into scratch unless it is bytes.
func (v *value[T]) message(o *options, in *T, scratch *[]byte) (session.Message, error) {
	id := v.c.ID()
	if v.loan {
		return lent(o, id, any(*in).(*session.Loan))
	}
	if p, ok := v.Alias(in); ok {
		return message(o, id, p), nil
	}
	var err error
	if *scratch, err = v.Append((*scratch)[:0], in); err != nil {
		return session.Message{}, invalid(err)
	}
	return message(o, id, *scratch), nil
}

func lent(o *options, id codec.ID, l *session.Loan) (session.Message, error) {
	if l == nil {
		return session.Message{}, status.Errorf(status.InvalidArgument, "the Loan is nil")
	}
	m := message(o, id, l.Bytes())
	m.Loan = l
	return m, nil
}

// room returns what an answer may be appended to: nil if the value will own the memory.
func (v *value[T]) room(scratch []byte) []byte {
	if v.loan || v.Adopts() {
		return nil
	}
	return scratch[:0]
}

// answer decodes an answer, which comes in the codec of the request.
func (v *value[T]) answer(rep session.Reply, out *T) error {
	if rep.Codec != uint8(v.c.ID()) {
		if rep.Loan != nil {
			rep.Loan.Release()
		}
		return status.Errorf(status.Protocol, "the answer came in codec %d, the request went in %s", rep.Codec, v.c.Name())
	}
	if v.loan {
		*any(out).(**session.Loan) = rep.Loan
		return nil
	}
	if v.Adopt(rep.Payload, out) {
		return nil
	}
	if err := v.Decode(rep.Payload, out); err != nil {
		return status.Errorf(status.InvalidArgument, "the answer does not decode: %w", err)
	}
	return nil
}

// decode decodes what was received otherwise. A Loan is then a copy.
func (v *value[T]) decode(payload []byte, out *T) error {
	if v.loan {
		*any(out).(**session.Loan) = session.CopyLoan(payload)
		return nil
	}
	if err := v.Decode(payload, out); err != nil {
		return status.Errorf(status.InvalidArgument, "the value does not decode: %w", err)
	}
	return nil
}
