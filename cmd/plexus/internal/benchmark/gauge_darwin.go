// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime is the processor time of this process, user and system.
func processTime() *time.Duration {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) != nil {
		return nil
	}
	d := time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	return &d
}
