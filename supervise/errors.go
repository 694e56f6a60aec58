// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// ExitError says how a child ended that did not end well.
type ExitError struct {
	// Name is the child's, PID was its process id.
	Name string
	PID  int
	// Code is the exit code, -1 after a signal.
	Code int
	// Signal is the name of the signal that ended it, "" for none, and Number its number.
	Signal string
	Number int
	// Said is the last line that it wrote to standard error, "" for none.
	Said string
}

// Error is one sentence: who, how, and its last words.
func (e *ExitError) Error() string {
	s := fmt.Sprintf("%s (pid %d) ended with exit code %d", e.Name, e.PID, e.Code)
	if e.Signal != "" {
		s = fmt.Sprintf("%s (pid %d) was ended by a signal: %s", e.Name, e.PID, e.Signal)
	}
	if e.Said != "" {
		s += ": " + e.Said
	}
	return s
}

// LimitError says that a child failed too often to be started again.
type LimitError struct {
	// Restarts is how often it was started again within Within.
	Restarts int
	Within   time.Duration
	// Err is its last failure.
	Err error
}

// Error is one sentence with the last failure.
func (e *LimitError) Error() string {
	return fmt.Sprintf("given up after %d restarts within %v: %v", e.Restarts, e.Within, e.Err)
}

// Unwrap returns the last failure.
func (e *LimitError) Unwrap() error { return e.Err }

// ErrNoParent is the cause when a program looks for its parent and nothing was handed
// over: it was not started by a supervisor.
var ErrNoParent = errors.New("nothing was handed over: this program was not started by a supervisor")

// coded gives a cause its code and says what was tried.
func coded(code status.Code, err error, format string, args ...any) error {
	return &status.Error{Code: code, Message: fmt.Sprintf(format, args...) + ": " + err.Error(), Err: err}
}
