// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"encoding/json"
	"errors"

	"github.com/plexus-ipc/plexus/status"
)

// Validator makes judges of schemas. Module jsonschema/validate has one.
type Validator interface {
	// Compile returns a judge of values by schema. The error is status.InvalidArgument: the
	// schema makes no sense, or is not safe to use. It fetches nothing.
	Compile(schema json.RawMessage) (Judge, error)
}

// Judge returns why a payload in a codec does not fit the schema that the Judge was made
// for, nil if it does. It is safe for concurrent use, keeps no memory of the payload, and its
// cost is bounded whatever the two contain. The error comes from Violation.Err.
type Judge func(codec uint8, payload []byte) error

// Violation says where a value does not fit a schema. As JSON it is the details of the status.
type Violation struct {
	Pointer string `json:"pointer"`           // to the offending part of the value, RFC 6901; "" is all of it
	Reason  string `json:"reason"`            // for people
	Keyword string `json:"keyword,omitempty"` // of the schema that is not met
	Subject string `json:"subject,omitempty"` // what was judged: Input or Output
}

// The subjects of a Violation.
const (
	Input  = "input"  // what the caller sends, or what is published
	Output = "output" // what the caller gets
)

// maxReason bounds the Reason of a Violation in bytes; it may quote the value.
const maxReason = 512

// Err returns the violation as an error whose message names what does not fit ("the request
// of math/add"), and whose details are the violation. Its code is status.InvalidArgument, for
// an Output status.Internal: the provider breaks its own word.
func (v Violation) Err(what string) *status.Error {
	if len(v.Reason) > maxReason {
		v.Reason = v.Reason[:maxReason] + "…"
	}
	details, err := json.Marshal(v)
	if err != nil {
		details = nil // cannot be: strings only
	}
	at := v.Pointer
	if at == "" {
		at = "the value"
	}
	code := status.InvalidArgument
	if v.Subject == Output {
		code = status.Internal
	}
	return &status.Error{Code: code, Message: what + " does not fit the schema: " + at + ": " + v.Reason, Details: details}
}

// ViolationOf returns the violation that an error tells of, also one from another process.
func ViolationOf(err error) (Violation, bool) {
	var v Violation
	e, ok := errors.AsType[*status.Error](err)
	if !ok || e.Code != status.InvalidArgument && e.Code != status.Internal || len(e.Details) == 0 || len(e.Details) > 4*maxReason+MaxBytes {
		return v, false
	}
	if json.Unmarshal(e.Details, &v) != nil || v.Reason == "" {
		return Violation{}, false
	}
	return v, true
}
