// SPDX-License-Identifier: Apache-2.0

package socket

import "golang.org/x/sys/unix"

// yield gives the processor to another thread that wants it. It returns at once and never
// blocks, so the runtime need not know.
var yield = func() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
