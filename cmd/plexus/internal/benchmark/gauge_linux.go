// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime is the processor time of this process, to the nanosecond.
func processTime() *time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts) != nil {
		return nil
	}
	d := time.Duration(ts.Nano())
	return &d
}
