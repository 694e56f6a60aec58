// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"errors"
	"fmt"
)

// ErrUnsafe: everybody may replace files in the directory.
var ErrUnsafe = errors.New("directory is not safe")

// Refusal is an error with the sentence that says what to do about it.
type Refusal struct {
	Reason string
	Err    error
}

func (r *Refusal) Error() string { return r.Reason + ": " + r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Refuse returns a *Refusal.
func Refuse(err error, format string, args ...any) error {
	return &Refusal{Reason: fmt.Sprintf(format, args...), Err: err}
}
