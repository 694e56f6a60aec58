// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"syscall"
	"time"
	"unsafe"
)

// inherit gives a child a group of its own, and its parent's death.
func inherit(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends a child with all that it has started.
func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

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
