// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"reflect"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Option tunes one call, stream, publication or handler. Package service has more: about
// schemas and groups.
type Option = service.Option

type options = service.Options

// WithCodec encodes values by c. A handler takes c besides the codecs that it knows
// anyway: raw, JSON and fixed. Without it []byte travels raw and all else as JSON.
func WithCodec(c codec.Codec) Option { return func(o *options) { o.Codec = c } }

// WithHeader sends a header along; several may have the same key.
func WithHeader(key, value string) Option {
	return func(o *options) { o.Message.Headers = append(o.Message.Headers, session.Pair{Key: key, Value: value}) }
}

// WithPriority sets the priority: 0 (normal) to 7 (most urgent).
func WithPriority(p uint8) Option { return func(o *options) { o.Message.Priority = min(p, 7) } }

// WithIdempotent says that the call may be sent again: of a handler, that all calls may. A client
// that reconnects sends its call again after a cut, and a provider that still lives executes it
// once: docs/reconnection.md. Another process cannot know, and executes it again.
// If a provider in a group dies, the hub sends such calls to another.
func WithIdempotent() Option { return func(o *options) { o.Message.Idempotent = true } }

// WithTime sends the present time along.
func WithTime() Option { return func(o *options) { o.Stamp = true } }

// WithShared lets others publish on a declared topic, too.
func WithShared() Option { return func(o *options) { o.Shared = true } }

// WithQueue bounds what may wait for a slow subscriber, and says what happens then: see
// the policies of package operation.
func WithQueue(messages int, policy string) Option {
	return func(o *options) { o.Queue, o.Policy = messages, policy }
}

// message returns the message to send with a payload.
func message(o *options, id codec.ID, payload []byte) session.Message {
	m := o.Message
	m.Codec, m.Payload = uint8(id), payload
	if o.Stamp {
		m.Time = time.Now().UnixNano()
	}
	return m
}

// codecOf returns the codec for values of type T: the chosen one, raw for bytes, else JSON.
func codecOf(o *options, t reflect.Type) codec.Codec {
	if o.Codec != nil {
		return o.Codec
	}
	if t == bytesType || t == loanType {
		return codec.Raw{}
	}
	return codec.JSON{}
}

// callCodec returns the codec for a request, in which the answer comes as well: bytes are
// asked for raw only where the answer can be raw, too.
func callCodec(o *options, in, out reflect.Type) codec.Codec {
	if o.Codec == nil && in == bytesType && !travelsRaw(out) {
		return codec.JSON{}
	}
	return codecOf(o, in)
}

// travelsRaw reports whether values of a type can be raw bytes.
func travelsRaw(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Interface:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	}
	return t == loanType
}

var bytesType = reflect.TypeFor[[]byte]()

// decode decodes a payload in whatever codec it came in, of those at hand.
type decoder[T any] struct {
	values []value[T]
	errs   []error
	adopts bool             // T is bytes in one of the codecs
	judge  jsonschema.Judge // nil mostly
	alone  bool             // each call has a codec of its own
}

// newDecoder resolves T with the built-in codecs and one more, which may be nil.
func newDecoder[T any](extra codec.Codec) *decoder[T] {
	var set codec.Set
	if extra != nil {
		set = set.With(extra)
	}
	if _, ok := extra.(codec.Exclusive); ok {
		set = codec.NewSet(extra)
	}
	d := &decoder[T]{}
	_, d.alone = extra.(codec.Dialogue)
	for _, c := range set.All() {
		v, err := valueOf[T](c)
		v.c = c
		d.adopts = d.adopts || v.Adopts()
		d.values = append(d.values, v)
		d.errs = append(d.errs, err)
	}
	return d
}

// find returns the value for a codec number.
func (d *decoder[T]) find(id uint8) (*value[T], error) {
	for i := range d.values {
		if v := &d.values[i]; uint8(v.c.ID()) == id {
			return v, d.errs[i]
		}
	}
	return nil, status.Errorf(status.InvalidArgument, "codec %d is not known here", id)
}

// request decodes a call's payload, or takes it as it is if the value is bytes.
func (d *decoder[T]) request(c *session.Call, v *T) error {
	value, err := d.find(c.Codec)
	if err != nil {
		return err
	}
	if value.loan {
		*any(v).(**session.Loan) = c.Loan()
		return nil
	}
	if err := d.check(c.Codec, c.Payload); err != nil {
		return err
	}
	if p, ok := c.Owned(); ok && value.Adopt(p, v) {
		return nil
	}
	return value.decode(c.Payload, v)
}

// take decodes a payload that the caller gives up.
func (d *decoder[T]) take(id uint8, payload []byte, v *T) error {
	if err := d.check(id, payload); err != nil {
		return err
	}
	value, err := d.find(id)
	if err != nil || value.Adopt(payload, v) {
		return err
	}
	return value.decode(payload, v)
}

// check judges a payload by the schema that was announced, if that is wanted.
func (d *decoder[T]) check(id uint8, payload []byte) error {
	if d.judge == nil {
		return nil
	}
	return d.judge(id, payload)
}

func (d *decoder[T]) decode(id uint8, payload []byte, v *T) error {
	if err := d.check(id, payload); err != nil {
		return err
	}
	value, err := d.find(id)
	if err != nil {
		return err
	}
	return value.decode(payload, v)
}

// buffers lends memory for encoded values.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

type buffer struct{ request, reply []byte }

// maxKept is the capacity above which a lent buffer is not kept.
const maxKept = 64 << 10

func lend() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) giveBack() {
	if cap(b.request) <= maxKept && cap(b.reply) <= maxKept {
		buffers.Put(b)
	}
}
