// SPDX-License-Identifier: Apache-2.0

package main

import (
	"syscall"
	"time"
	"unsafe"
)

// cpuOf returns the processor time that a process has used, from the kernel's clock for
// it: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED).
func cpuOf(pid int) time.Duration {
	var ts syscall.Timespec
	clock := uintptr(^pid<<3 | 2)
	if _, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}
