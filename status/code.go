// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strconv"
)

// Code says what went wrong. Its number is part of the protocol and never changes.
type Code uint16

// The codes. The comment of each is its meaning; "safe" means that the operation has
// certainly not taken effect and may be tried again elsewhere or later.
const (
	OK                 Code = 0  // no error
	Cancelled          Code = 1  // the caller gave up
	DeadlineExceeded   Code = 2  // the time was up
	InvalidArgument    Code = 3  // the request makes no sense: a bad name, a payload that does not decode
	NoProvider         Code = 4  // nobody provides the method (safe)
	UnknownMethod      Code = 5  // the peer is there but has no such method (safe)
	PeerGone           Code = 6  // the other side went away while the operation was under way: unknown if it took effect
	Unavailable        Code = 7  // no connection, or the peer is draining (safe)
	Overloaded         Code = 8  // too much work is queued already (safe)
	TooLarge           Code = 9  // a message is longer than the limit
	PermissionDenied   Code = 10 // known, but not allowed
	Unauthenticated    Code = 11 // the proof of identity is missing or wrong
	AlreadyExists      Code = 12 // the name, id or path is taken
	NotFound           Code = 13 // no such channel, member, topic
	Undeclared         Code = 14 // the topic has not been declared
	NotOwner           Code = 15 // reserved to the owner of the channel or topic
	Unimplemented      Code = 16 // this side cannot do that at all
	Protocol           Code = 17 // the peer broke the protocol, or speaks another
	Busy               Code = 18 // the endpoint serves one peer and has one (safe)
	Internal           Code = 19 // a bug: a handler panicked
	Failed             Code = 20 // the handler returned an error of its own
	Closed             Code = 21 // closed on this side
	LimitExceeded      Code = 22 // a quota is used up: routes, streams, members, bytes
	Unsupported        Code = 23 // this platform or transport lacks it
	WrongShape         Code = 24 // a plain call of a stream method, or the reverse (safe)
	Evicted            Code = 25 // removed by the owner, an administrator or a newer session
	Terminated         Code = 26 // the channel ended with its owner
	FailedPrecondition Code = 27 // not possible in the present state
	DataLoss           Code = 28 // messages were lost and cannot be had again
	Locked             Code = 29 // the channel has a password, and this session has not given it (safe)
)

var names = [...]string{
	OK: "ok", Cancelled: "cancelled", DeadlineExceeded: "deadline_exceeded", InvalidArgument: "invalid_argument",
	NoProvider: "no_provider", UnknownMethod: "unknown_method", PeerGone: "peer_gone", Unavailable: "unavailable",
	Overloaded: "overloaded", TooLarge: "too_large", PermissionDenied: "permission_denied",
	Unauthenticated: "unauthenticated", AlreadyExists: "already_exists", NotFound: "not_found",
	Undeclared: "undeclared", NotOwner: "not_owner", Unimplemented: "unimplemented", Protocol: "protocol",
	Busy: "busy", Internal: "internal", Failed: "failed", Closed: "closed", LimitExceeded: "limit_exceeded",
	Unsupported: "unsupported", WrongShape: "wrong_shape", Evicted: "evicted", Terminated: "terminated",
	FailedPrecondition: "failed_precondition", DataLoss: "data_loss",
	Locked: "locked",
}

// Count is the number of codes; all of them are below it.
const Count = len(names)

// String returns the code's name as it stands in logs and JSON, "code_N" if it is unknown.
func (c Code) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return "code_" + strconv.Itoa(int(c))
}

// Error makes a Code an error, so that it can be the target of errors.Is.
func (c Code) Error() string { return c.String() }

// MarshalText returns the code's name.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText takes a name that String returns.
func (c *Code) UnmarshalText(text []byte) error {
	for i, n := range names {
		if n == string(text) {
			*c = Code(i)
			return nil
		}
	}
	return &Error{Code: InvalidArgument, Message: "unknown status code " + strconv.Quote(string(text))}
}

// RetrySafe reports whether an operation that failed with c has certainly not taken
// effect, unless the error itself says otherwise.
func (c Code) RetrySafe() bool {
	switch c {
	case NoProvider, UnknownMethod, Unavailable, Overloaded, Busy, WrongShape, Locked:
		return true
	}
	return false
}

// standard is the error of the standard library that means the same as c, or nil.
func (c Code) standard() error {
	switch c {
	case Cancelled:
		return context.Canceled
	case DeadlineExceeded:
		return context.DeadlineExceeded
	case Closed:
		return net.ErrClosed
	case Unsupported, Unimplemented:
		return errors.ErrUnsupported
	case PermissionDenied, Locked:
		return fs.ErrPermission
	}
	return nil
}
