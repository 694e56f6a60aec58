// SPDX-License-Identifier: Apache-2.0

package cbor

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/fxamacker/cbor/v2"
	"github.com/plexus-ipc/plexus/codec"
)

// Options tell New what to do differently. The zero value is the default.
type Options struct {
	// MaxDepth limits how deeply arrays, maps and tags are nested, in both directions; 0
	// means codec.MaxDepth. It is at least 4 and at most 65535.
	MaxDepth int
}

// Codec is the CBOR codec; New makes one.
type Codec struct {
	depth int
	enc   cbor.UserBufferEncMode
	text  cbor.DecMode // for documents in which all map keys are text
	mixed cbor.DecMode // for all others
}

// New returns a codec. Options may be nil.
func New(o *Options) *Codec {
	c := &Codec{depth: codec.MaxDepth}
	if o != nil && o.MaxDepth > 0 {
		c.depth = min(max(o.MaxDepth, 4), 65535)
	}
	tags := cbor.NewTagSet()
	set := cbor.TagOptions{EncTag: cbor.EncTagRequired, DecTag: cbor.DecTagOptional}
	must(0, tags.Add(set, reflect.TypeFor[Set](), tagSet))
	c.enc = must(encOptions().UserBufferEncModeWithTags(tags))
	c.text = must(decOptions(c.depth, reflect.TypeFor[map[string]any]()).DecModeWithTags(tags))
	c.mixed = must(decOptions(c.depth, reflect.TypeFor[map[any]any]()).DecModeWithTags(tags))
	return c
}

// must is for options that are constant in all but a clamped number: an error here is a
// mistake in this file, which any test shows.
func must[T any](v T, err error) T {
	if err != nil {
		panic("cbor: " + err.Error())
	}
	return v
}

func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.BigIntConvert = cbor.BigIntConvertNone
	o.Time, o.TimeTag = cbor.TimeRFC3339Nano, cbor.EncTagRequired
	o.IndefLength = cbor.IndefLengthAllowed
	o.BinaryMarshaler = cbor.BinaryMarshalerNone
	o.TextMarshaler = cbor.TextMarshalerTextString
	return o
}

// decOptions leaves counts to scan: every element has been seen before the library makes
// room for it.
func decOptions(depth int, maps reflect.Type) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   depth,
		MaxArrayElements:  math.MaxInt32,
		MaxMapPairs:       math.MaxInt32,
		IntDec:            cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:         cbor.BigIntDecodePointer,
		DefaultMapType:    maps,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		BinaryUnmarshaler: cbor.BinaryUnmarshalerNone,
		TextUnmarshaler:   cbor.TextUnmarshalerTextString,
	}
}

// ID returns codec.IDCBOR.
func (*Codec) ID() codec.ID { return codec.IDCBOR }

// Name returns "cbor".
func (*Codec) Name() string { return "cbor" }

// Append appends the CBOR of v to dst.
func (c *Codec) Append(dst []byte, v any) (out []byte, err error) {
	defer c.guard(codec.Encode, func(e error) { out, err = dst, e })
	if cyclic(v) {
		return dst, c.fail(codec.Encode, codec.TooDeep, errors.New("the value refers to itself"))
	}
	buf := bytes.NewBuffer(dst)
	if err := c.enc.MarshalToBuffer(v, buf); err != nil {
		return dst, c.fail(codec.Encode, codec.Unsupported, err)
	}
	out = buf.Bytes()
	if _, p := scan(out[len(dst):], c.depth); p != nil {
		if p.reason != codec.TooDeep {
			p.reason = codec.Unsupported // what nobody could decode, as a RawMessage can be
		}
		return dst, c.fail(codec.Encode, p.reason, p)
	}
	return out, nil
}

// Decode stores the CBOR value that data holds in *v.
func (c *Codec) Decode(data []byte, v any) (err error) {
	defer c.guard(codec.Decode, func(e error) { err = e })
	text, p := scan(data, c.depth)
	if p != nil {
		return c.fail(codec.Decode, p.reason, p)
	}
	mode := c.text
	if !text {
		mode = c.mixed
	}
	if err := mode.Unmarshal(data, v); err != nil {
		return c.fail(codec.Decode, reason(err), err)
	}
	if text {
		return nil
	}
	var n narrower
	if n.typed(reflect.ValueOf(v), tooDeep); n.lost != nil {
		return c.fail(codec.Decode, codec.Unsupported, n.lost)
	}
	return nil
}

// guard turns a panic of the library into an error. None is known; this is the last resort.
func (c *Codec) guard(op codec.Op, report func(error)) {
	if p := recover(); p != nil {
		report(c.fail(op, codec.Internal, fmt.Errorf("panic: %v", p)))
	}
}

func (c *Codec) fail(op codec.Op, reason codec.Reason, err error) error {
	return &codec.Error{Codec: c.Name(), Op: op, Reason: reason, Err: err}
}

// reason sorts the library's errors about input that has passed the scan.
func reason(err error) codec.Reason {
	if _, ok := errors.AsType[*cbor.InvalidUnmarshalError](err); ok {
		return codec.Unsupported
	}
	if _, ok := errors.AsType[*cbor.InvalidMapKeyTypeError](err); ok {
		return codec.Unsupported
	}
	if _, ok := errors.AsType[*cbor.UnmarshalTypeError](err); ok {
		return codec.Mismatch
	}
	return malformedOr(err)
}

// malformedOr distinguishes what is wrong with the bytes from what a type objects to.
func malformedOr(err error) codec.Reason {
	_, syntax := errors.AsType[*cbor.SyntaxError](err)
	_, semantic := errors.AsType[*cbor.SemanticError](err)
	_, dup := errors.AsType[*cbor.DupMapKeyError](err)
	_, utf8 := errors.AsType[*cbor.UnacceptableDataItemError](err)
	if syntax || semantic || dup || utf8 {
		return codec.Malformed
	}
	return codec.Mismatch
}
