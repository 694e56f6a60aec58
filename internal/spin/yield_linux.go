// SPDX-License-Identifier: Apache-2.0

package spin

import "golang.org/x/sys/unix"

// Yield offers the core to another thread of the machine, of this process or not. The Go
// scheduler learns nothing of it: the call never blocks, at worst the others have their
// turn first.
func Yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
