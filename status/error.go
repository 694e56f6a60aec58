// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Error is an error with a Code. It is immutable once it is shared.
type Error struct {
	// Code says what went wrong.
	Code Code
	// Message is one sentence for people: what, where, what to do. "" is the code's name.
	Message string
	// Details is what a handler attached for programs, nil mostly.
	Details []byte
	// Remote reports that the other side said so; false: this side found it.
	Remote bool
	// Retry overrules the code's own word on whether a retry is safe.
	Retry Retry
	// Err is the cause on this side, nil if there is none. It never travels.
	Err error
}

// Retry says whether an operation may be tried again without taking effect twice.
type Retry uint8

// The values of Retry.
const (
	RetryByCode Retry = iota // as Code.RetrySafe says
	RetrySafe                // it has certainly not taken effect
	RetryUnsafe              // it may have taken effect
)

// Errorf returns an *Error with a formatted message. A %w operand becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Error returns the code's name and the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's code, or the error of the standard library
// that means the same.
func (e *Error) Is(target error) bool {
	if c, ok := target.(Code); ok {
		return e.Code == c
	}
	std := e.Code.standard()
	return std != nil && target == std
}

// CodeOf returns the code of err: OK for nil, that of the *Error or Code it wraps, the
// matching one for errors of the context and net packages, else Failed.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if c, ok := errors.AsType[Code](err); ok {
		return c
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	case errors.Is(err, net.ErrClosed):
		return Closed
	}
	return Failed
}

// Convert returns err as an *Error: itself if it wraps one, else one with the code that
// CodeOf finds and err as message and cause. nil stays nil.
func Convert(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Code: CodeOf(err), Message: err.Error(), Err: err}
	if err == context.DeadlineExceeded { //nolint:errorlint // alone it says little to people
		e.Message = "the time was up"
	}
	return e
}

// Retryable reports whether the operation that failed with err may be tried again
// without any risk that it takes effect twice.
func Retryable(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Retryable()
	}
	return CodeOf(err).RetrySafe()
}

// Retryable reports whether a retry is safe: what Retry says, or else the code.
func (e *Error) Retryable() bool {
	switch e.Retry {
	case RetrySafe:
		return true
	case RetryUnsafe:
		return false
	}
	return e.Code.RetrySafe()
}
