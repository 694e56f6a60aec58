// SPDX-License-Identifier: Apache-2.0

package msgpack

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/plexus-ipc/plexus/codec"
)

// Options tell New what to do differently. The zero value is the default.
type Options struct {
	// MaxDepth limits how deeply arrays and maps are nested, in both directions; 0 means
	// codec.MaxDepth. At most 65535.
	MaxDepth int
}

// Codec is the MessagePack codec; New makes one.
type Codec struct{ depth int }

// New returns a codec. Options may be nil.
func New(o *Options) *Codec {
	if o != nil && o.MaxDepth > 0 {
		return &Codec{min(o.MaxDepth, 65535)}
	}
	return &Codec{codec.MaxDepth}
}

// Ext is an extension without a meaning here. Data belongs to whoever holds the Ext.
type Ext struct {
	Type int8
	Data []byte
}

// ID returns codec.IDMessagePack.
func (*Codec) ID() codec.ID { return codec.IDMessagePack }

// Name returns "msgpack".
func (*Codec) Name() string { return "msgpack" }

// Append appends the MessagePack of v to dst.
func (c *Codec) Append(dst []byte, v any) ([]byte, error) {
	out, err := c.encode(dst, reflect.ValueOf(v), 0)
	if err != nil {
		return dst, c.fail(codec.Encode, err)
	}
	return out, nil
}

// Decode stores the MessagePack value that data holds in *v.
func (c *Codec) Decode(data []byte, v any) error {
	if err := scan(data, c.depth); err != nil {
		return c.fail(codec.Decode, err)
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return c.fail(codec.Decode, problem(codec.Unsupported, "%T is not a pointer to a value", v))
	}
	if _, err := decode(data, rv.Elem()); err != nil {
		return c.fail(codec.Decode, err)
	}
	return nil
}

// reasoned is an error on its way out that knows its reason.
type reasoned struct {
	reason codec.Reason
	error
}

func (r *reasoned) Unwrap() error { return r.error }

func problem(reason codec.Reason, format string, args ...any) error {
	return &reasoned{reason, fmt.Errorf(format, args...)}
}

// fail makes the error that leaves this package. What has no reason came from a primitive,
// after the scan: the types differ; or from a method of the value.
func (c *Codec) fail(op codec.Op, err error) error {
	reason := codec.Mismatch
	if op == codec.Encode {
		reason = codec.Unsupported
	}
	if r, ok := errors.AsType[*reasoned](err); ok {
		reason = r.reason
	}
	return &codec.Error{Codec: c.Name(), Op: op, Reason: reason, Err: err}
}
