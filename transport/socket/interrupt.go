// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// deadliner is what a pending read is stopped by.
type deadliner interface{ SetReadDeadline(t time.Time) error }

// interrupter turns a read deadline into transport.Interrupter. The flag is the truth,
// the deadline only wakes a pending read, so their order matters: raise sets the flag
// before the deadline, the receiver resets the deadline before it takes the flag. A
// deadline that is late, because the receiver had taken the flag already, wakes the
// receiver once for nothing; none is lost, none stays.
type interrupter struct{ flag atomic.Bool }

func (i *interrupter) raise(d deadliner) {
	if !i.flag.Swap(true) {
		_ = d.SetReadDeadline(time.Unix(1, 0)) // fails only after Close
	}
}

// take reports whether an interrupt was pending, which it no longer is then.
func (i *interrupter) take(d deadliner) bool {
	if !i.flag.Load() {
		return false
	}
	_ = d.SetReadDeadline(time.Time{})
	return i.flag.Swap(false)
}

// expired handles the error of a read: true if it was a deadline, which is reset; the
// caller then looks at the flag again.
func (i *interrupter) expired(d deadliner, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	_ = d.SetReadDeadline(time.Time{})
	return true
}

// errInterrupted is returned as it is: callers compare it often.
var errInterrupted = transport.ErrInterrupted
