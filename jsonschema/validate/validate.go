// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	library "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/status"
)

// Validator makes judges with the library. It is immutable and safe for concurrent use.
type Validator struct{ codecs codec.Set }

// New returns a Validator that knows JSON, raw bytes (judged as the base64 string that they
// are in JSON) and these codecs, whose values are judged as the JSON of the same meaning. A
// payload in any other codec fits every schema: nobody here can read it.
func New(codecs ...codec.Codec) *Validator {
	return &Validator{codec.NewSet(codecs...).With(codec.Raw{}, codec.JSON{UseNumber: true})}
}

// MaxPayload is the longest payload that is judged; longer ones are status.LimitExceeded.
const MaxPayload = 1 << 20

// place is the name that a schema has in the library. Nothing is there.
const place = "plexus:schema"

// Compile implements jsonschema.Validator.
func (v *Validator) Compile(schema json.RawMessage) (_ jsonschema.Judge, err error) {
	if err := jsonschema.Check(schema); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(status.InvalidArgument, "the schema cannot be used: %v", p)
		}
	}()
	if len(schema) == 0 {
		schema = json.RawMessage("true")
	}
	var doc any
	if err := (codec.JSON{UseNumber: true, MaxDepth: jsonschema.MaxDepth}).Decode(schema, &doc); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the schema is malformed: %w", err)
	}
	if doc, err = tame(doc); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the schema is malformed: %w", err)
	}
	m := &meter{}
	c := library.NewCompiler()
	c.DefaultDraft(library.Draft2020)
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(m.regexp)
	if err := c.AddResource(place, doc); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the schema cannot be used: %w", err)
	}
	compiled, err := c.Compile(place)
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the schema cannot be used: %s", plainly(err))
	}
	m.watch(compiled)
	j := &judge{codecs: v.codecs, schema: compiled, meter: m}
	return j.judge, nil
}

// nowhere is a loader that fetches nothing.
type nowhere struct{}

// Load implements library.URLLoader.
func (nowhere) Load(url string) (any, error) {
	return nil, errors.New("nothing is fetched from " + url)
}

// plainly is an error of the library in one line, without the name that we gave the schema.
func plainly(err error) string {
	if e, ok := errors.AsType[*library.SchemaValidationError](err); ok && e.Err != nil {
		err = e.Err
	}
	if e, ok := errors.AsType[*library.ValidationError](err); ok {
		v := violationOf(e)
		return v.Pointer + ": " + v.Reason
	}
	text := strings.ReplaceAll(err.Error(), place+"#", "#")
	return strings.Join(strings.Fields(text), " ")
}

type judge struct {
	codecs codec.Set
	schema *library.Schema
	meter  *meter
}

// judge is a jsonschema.Judge.
func (j *judge) judge(id uint8, payload []byte) (err error) {
	c, ok := j.codecs.ByID(codec.ID(id))
	if !ok {
		return nil
	}
	if len(payload) > MaxPayload {
		return status.Errorf(status.LimitExceeded, "the value has %d bytes, up to %d can be checked against a schema", len(payload), MaxPayload)
	}
	value, err := read(c, payload)
	if err != nil {
		return jsonschema.Violation{Reason: err.Error()}.Err("the value")
	}
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(status.LimitExceeded, "the value cannot be checked: %v", p)
		}
	}()
	j.meter.mu.Lock()
	defer j.meter.mu.Unlock()
	j.meter.left = budget(len(payload))
	if fits(j.schema, value) {
		return nil
	}
	j.meter.left = budget(len(payload))
	return explain(j.schema, value).Err("the value")
}

// read decodes a payload to what encoding/json makes of JSON.
func read(c codec.Codec, payload []byte) (any, error) {
	if c.ID() == codec.IDRaw {
		return base64.StdEncoding.EncodeToString(payload), nil
	}
	var value any
	if err := c.Decode(payload, &value); err != nil {
		return nil, err
	}
	return tame(value)
}
