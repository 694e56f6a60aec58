// SPDX-License-Identifier: Apache-2.0

// Package schema answers the hub's question: is it well formed? It judges the schemas that
// members announce, and, where the policy asks for it, the messages by them.
//
// It is pure: no goroutine, no lock, no clock. What judges a value is a
// jsonschema.Validator, which whoever makes the hub brings along.
package schema

import (
	"encoding/json"

	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Policy says what becomes of messages that do not fit the schema of their method or topic.
type Policy string

// The policies.
const (
	Off    Policy = "off"    // no message is looked into
	Warn   Policy = "warn"   // they go on, and are counted and logged
	Reject Policy = "reject" // they do not go on, and whoever waits for them is told why
)

// Rules are the policy, and what judges: a Validator is needed unless the policy is Off.
type Rules struct {
	Policy    Policy
	Validator jsonschema.Validator
}

// Valid returns what is wrong with the rules, or nil. No policy is Off.
func (r Rules) Valid() error {
	switch {
	case r.Policy != "" && r.Policy != Off && !r.on():
		return status.Errorf(status.InvalidArgument, "schema policy %q is unknown: it is %s, %s or %s", r.Policy, Off, Warn, Reject)
	case r.on() && r.Validator == nil:
		return status.Errorf(status.InvalidArgument, "the schema policy %s needs a validator", r.Policy)
	}
	return nil
}

// on reports whether messages are judged.
func (r Rules) on() bool { return r.Policy == Warn || r.Policy == Reject }

// Offer judges the schemas of a method, which it brings into their shortest form, and
// returns the checks for its messages: nil if there are none. warning tells why there are
// none although the policy wants them; under Reject that is an error.
func (r Rules) Offer(in *operation.Offer) (c *Checks, warning, err error) {
	if in.Shape > uint8(wire.Duplex) {
		return nil, nil, status.Errorf(status.InvalidArgument, "the shape %d of %s/%s is unknown", in.Shape, in.Channel, in.Method)
	}
	c = &Checks{shape: wire.Shape(in.Shape), what: in.Channel + "/" + in.Method}
	return r.compile(c, &in.Input, &in.Output)
}

// Topic does the same for a topic.
func (r Rules) Topic(in *operation.Topic) (c *Checks, warning, err error) {
	return r.compile(&Checks{what: in.Channel + "/" + in.Name}, &in.Schema, new(json.RawMessage))
}

func (r Rules) compile(c *Checks, input, output *json.RawMessage) (_ *Checks, warning, err error) {
	for _, s := range []struct {
		schema *json.RawMessage
		judge  *jsonschema.Judge
	}{{input, &c.input}, {output, &c.output}} {
		if err := jsonschema.Check(*s.schema); err != nil {
			return nil, nil, c.wrap(err)
		}
		if *s.schema = jsonschema.Compact(*s.schema); len(*s.schema) == 0 || !r.on() || warning != nil {
			continue
		}
		if *s.judge, err = r.Validator.Compile(*s.schema); err == nil {
			continue
		}
		if r.Policy == Reject {
			return nil, nil, c.wrap(err)
		}
		warning = c.wrap(err)
	}
	if warning != nil || c.input == nil && c.output == nil {
		return nil, warning, nil
	}
	return c, nil, nil
}

func (c *Checks) wrap(err error) error {
	e := status.Convert(err)
	return &status.Error{Code: e.Code, Message: "schema of " + c.what + ": " + e.Message, Err: err}
}

// Checks judge the messages of one method or topic. A nil one fits everything. It is
// immutable and safe for concurrent use.
type Checks struct {
	what          string
	shape         wire.Shape
	input, output jsonschema.Judge // nil if anything fits
}

// Publication judges what is published.
func (c *Checks) Publication(codec uint8, payload []byte) *status.Error {
	if c == nil {
		return nil
	}
	return c.judge(c.input, jsonschema.Input, "the publication on ", codec, payload)
}

// Request judges the request of a call in a shape. That of a call in another shape than the
// provider offers is for the provider to refuse.
func (c *Checks) Request(shape wire.Shape, codec uint8, payload []byte) *status.Error {
	if c == nil || shape != c.shape || shape == wire.ClientStream || shape == wire.Duplex {
		return nil
	}
	return c.judge(c.input, jsonschema.Input, "the request of ", codec, payload)
}

// Sent judges an item that the caller sends.
func (c *Checks) Sent(codec uint8, payload []byte) *status.Error {
	if c == nil || c.shape != wire.ClientStream && c.shape != wire.Duplex {
		return nil
	}
	return c.judge(c.input, jsonschema.Input, "an item sent to ", codec, payload)
}

// Received judges an item that the provider sends.
func (c *Checks) Received(codec uint8, payload []byte) *status.Error {
	if c == nil || c.shape != wire.ServerStream && c.shape != wire.Duplex {
		return nil
	}
	return c.judge(c.output, jsonschema.Output, "an item from ", codec, payload)
}

// Answer judges the answer.
func (c *Checks) Answer(codec uint8, payload []byte) *status.Error {
	if c == nil || c.shape != wire.Unary && c.shape != wire.ClientStream {
		return nil
	}
	return c.judge(c.output, jsonschema.Output, "the answer of ", codec, payload)
}

// judge words what does not fit: an input is its sender's mistake, an output the provider's.
func (c *Checks) judge(j jsonschema.Judge, subject, what string, codec uint8, payload []byte) *status.Error {
	if j == nil {
		return nil
	}
	err := j(codec, payload)
	if err == nil {
		return nil
	}
	v, ok := jsonschema.ViolationOf(err)
	if !ok {
		e := status.Convert(err)
		return &status.Error{Code: e.Code, Message: what + c.what + ": " + e.Message, Err: err}
	}
	v.Subject = subject
	return v.Err(what + c.what)
}
