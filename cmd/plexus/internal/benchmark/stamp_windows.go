// SPDX-License-Identifier: Apache-2.0

package benchmark

import "golang.org/x/sys/windows"

// clock is the precise wall clock; that of package time goes in steps of up to 15 ms.
func clock() int64 {
	var f windows.Filetime
	windows.GetSystemTimePreciseAsFileTime(&f)
	return f.Nanoseconds()
}
