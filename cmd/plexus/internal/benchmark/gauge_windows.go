// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"time"

	"golang.org/x/sys/windows"
)

// processTime is the processor time of this process, user and kernel. Windows counts it in
// ticks of 15.6 ms, so short slots show 0.
func processTime() *time.Duration {
	var created, ended, kernel, user windows.Filetime
	if windows.GetProcessTimes(windows.CurrentProcess(), &created, &ended, &kernel, &user) != nil {
		return nil
	}
	ticks := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	d := time.Duration(ticks(kernel)+ticks(user)) * 100
	return &d
}
