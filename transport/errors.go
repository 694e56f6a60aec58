// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"fmt"
)

// ErrInterrupted is what Recv returns after Interrupt. The Conn stays usable.
var ErrInterrupted = errors.New("transport: receive interrupted")

// ErrBusy is the cause when a listener that takes one peer has one already.
var ErrBusy = errors.New("endpoint serves one peer and has one")

// FrameError says that a peer announced a frame of an impossible length. The stream
// cannot be read any further: most likely the peer speaks another protocol.
type FrameError struct {
	// Length is what the peer announced, Limit what is allowed, in bytes.
	Length, Limit int64
	// Head holds the first bytes as they came, up to 64, to guess the protocol from.
	Head []byte
}

// Error names the length, the limit and the first bytes.
func (e *FrameError) Error() string {
	return fmt.Sprintf("transport: frame of %d bytes announced, allowed are %d to %d (starts with %q)",
		e.Length, MinFrame, e.Limit, e.Head)
}

// Error is a failure to dial, listen, accept, send or receive, with where it happened.
type Error struct {
	// Op is dial, listen, accept, send or receive.
	Op string
	// Endpoint is the address as given.
	Endpoint string
	// Reason says in plain words what is wrong and what to do, "" if Err says it all.
	Reason string
	// Err is the cause: a net or syscall error, or one of this package's.
	Err error
}

// Error is one sentence: operation, address, reason, cause.
func (e *Error) Error() string {
	s := e.Op + " " + e.Endpoint
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Causes that Listen and Dial report inside an *Error, besides those of the net package.
var (
	// ErrInUse: another process serves the path or port.
	ErrInUse = errors.New("address is in use")
	// ErrForeign: the path exists and is no socket of ours to remove.
	ErrForeign = errors.New("path is taken by something else")
	// ErrNobody: nothing listens at the address.
	ErrNobody = errors.New("nobody listens there")
	// ErrDenied: the operating system refuses access.
	ErrDenied = errors.New("access denied")
)
