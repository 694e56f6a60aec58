// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// ParseError tells why a text or a set of parts is not an endpoint.
type ParseError struct {
	Input  string // what was given, unchanged except that a password is masked; may be hostile, print it quoted
	Reason string // one sentence: what is wrong, where, what to do
}

// Error quotes the input, so that it fits in one line of a log whatever it holds.
func (e *ParseError) Error() string {
	return "endpoint " + clip(e.Input) + ": " + e.Reason
}

// PlatformError tells that a valid endpoint cannot be used on a platform.
// errors.Is(err, errors.ErrUnsupported) holds for it.
type PlatformError struct {
	Endpoint Endpoint // what was asked for
	GOOS     string   // the platform that lacks it, as in runtime.GOOS
	Reason   string   // what is lacking
}

// Error names the endpoint, the platform and what it lacks.
func (e *PlatformError) Error() string {
	return fmt.Sprintf("endpoint %s cannot be used on %s: %s", e.Endpoint, e.GOOS, e.Reason)
}

// Unwrap makes the error an errors.ErrUnsupported.
func (e *PlatformError) Unwrap() error { return errors.ErrUnsupported }

// refuse turns the reason why input is no endpoint into the exported error.
func refuse(input string, reason error) *ParseError {
	return &ParseError{Input: maskUserinfo(input), Reason: reason.Error()}
}

const clipAt = 160

// clip quotes s for a message and shortens what is too long to be read.
func clip(s string) string {
	if len(s) <= clipAt {
		return strconv.Quote(s)
	}
	cut := clipAt
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "… (" + strconv.Itoa(len(s)) + " bytes)"
}
