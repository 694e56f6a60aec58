// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Option tunes one call, stream, publication, handler or topic. Most are in package plexus;
// those about schemas are here.
type Option func(*Options)

// Options are what the Options of one operation have set.
type Options struct {
	Codec   codec.Codec
	Message session.Message // what goes along
	Stamp   bool            // with the present time
	Shared  bool            // of a topic: others may publish, too
	Queue   int             // of a subscription
	Policy  string
	OnError func(error) // of a listener

	QueueBytes  int                // of a subscription, like …
	Block       time.Duration      // … how long it may hold up a publisher
	OnBlock     string             // … and what happens then
	Replay      int                // … how many of the values kept it begins with
	ReplaySince time.Duration      // … and of what age
	Receipt     *operation.Receipt // of a publication: what is to be filled in, nil for none
	Keep        int                // of a topic: how many values it keeps
	KeepAge     time.Duration      // … and of what age
	Sharing     operation.Sharing  // of a method; what is idempotent says Message

	Input, Output json.RawMessage      // JSON Schemas, instead of inferred ones
	Given         bool                 // these and no others, also if they are empty
	Validator     jsonschema.Validator // judges what a handler is sent
}

// Apply returns what options set.
func Apply(opts []Option) Options {
	if len(opts) == 0 {
		return Options{}
	}
	return applyAll(opts)
}

// applyAll is a function of its own because what it returns has been on the heap.
func applyAll(opts []Option) Options {
	var o Options
	for _, f := range opts {
		if f != nil {
			f(&o)
		}
	}
	return o
}

// WithOnError has f told of events that a listener could not take because they do not decode,
// instead of the OnError of its client or server. It is called in the listener's place: one
// at a time and in order.
func WithOnError(f func(error)) Option { return func(o *Options) { o.OnError = f } }

// WithSchema announces a method or topic with these JSON Schemas instead of those of its Go
// types: input of what the caller sends (a request, or each item) or of what is published,
// output of what the caller gets. nil is none.
func WithSchema(input, output json.RawMessage) Option {
	return func(o *Options) { o.Input, o.Output, o.Given = input, output, true }
}

// WithoutSchema announces a method or topic without schemas.
func WithoutSchema() Option { return WithSchema(nil, nil) }

// WithValidator has a handler judge what it is sent by the input schema before it decodes
// it. What does not fit fails the call with status.InvalidArgument and a
// jsonschema.Violation. Module jsonschema/validate has a Validator.
func WithValidator(v jsonschema.Validator) Option { return func(o *Options) { o.Validator = v } }

// Terms returns what a method with these types is offered with.
func (o *Options) Terms(shape session.Shape, in, out reflect.Type) (t Terms, err error) {
	t = Terms{Shape: shape, Input: jsonschema.Compact(o.Input), Output: jsonschema.Compact(o.Output), Sharing: o.Sharing}
	t.Idempotent = o.Message.Idempotent
	if o.Given || !o.speaksJSON() {
		return t, nil
	}
	if t.Input, err = jsonschema.Of(in); err == nil {
		t.Output, err = jsonschema.Of(out)
	}
	return t, err
}

// TopicTerms returns what a topic is declared with.
func (o *Options) TopicTerms() TopicTerms {
	return TopicTerms{Shared: o.Shared, Schema: jsonschema.Compact(o.Input), Keep: o.Keep, KeepAge: o.KeepAge}
}

// speaksJSON reports whether the values have the form that they have in JSON.
func (o *Options) speaksJSON() bool {
	return o.Codec == nil || o.Codec.ID() < codec.IDCustom && o.Codec.ID() != codec.IDProtobuf && o.Codec.ID() != codec.IDSealed
}

// Judge returns what judges input by a schema, nil if there is no Validator or no schema.
func (o *Options) Judge(schema json.RawMessage) (jsonschema.Judge, error) {
	if o.Validator == nil || len(schema) == 0 {
		return nil, nil
	}
	j, err := o.Validator.Compile(schema)
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	return func(codec uint8, payload []byte) error {
		err := j(codec, payload)
		if v, ok := jsonschema.ViolationOf(err); ok {
			v.Subject = jsonschema.Input
			return v.Err("the request")
		}
		return err
	}, nil
}
