// SPDX-License-Identifier: Apache-2.0

package codec

import "fmt"

// Op is the direction in which a codec failed.
type Op string

// The two directions.
const (
	Encode Op = "encode"
	Decode Op = "decode"
)

// Reason is the class of a failure: who is to blame and what would help.
type Reason string

// The reasons.
const (
	// Malformed: the bytes are not one whole value of the format: cut short, followed by
	// something else, with a count larger than what is there, or plain garbage. The sender
	// is broken or hostile.
	Malformed Reason = "malformed"
	// TooDeep: containers are nested deeper than the limit.
	TooDeep Reason = "too deep"
	// Mismatch: the bytes are in order but do not fit the Go value: text for a number, an
	// integer out of range. Sender and receiver disagree about the type.
	Mismatch Reason = "mismatch"
	// Unsupported: the codec does not carry this Go type, or refuses this item of the
	// format. The program must use another type or another codec.
	Unsupported Reason = "unsupported"
	// Internal: a library behind the codec panicked; the panic was caught. Please report it.
	Internal Reason = "internal"
)

// Error is why a value could not be encoded or decoded. It is immutable.
type Error struct {
	Codec  string // the name of the codec
	Op     Op     // the direction
	Reason Reason // the class
	Err    error  // the cause; never nil if a Codec of Plexus made it
}

// Error returns one line: codec, direction, reason and cause.
func (e *Error) Error() string {
	return fmt.Sprintf("codec %s: %s: %s: %v", e.Codec, e.Op, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an *Error; format and args are those of fmt.Errorf.
func fail(c Codec, op Op, reason Reason, format string, args ...any) *Error {
	return &Error{Codec: c.Name(), Op: op, Reason: reason, Err: fmt.Errorf(format, args...)}
}
