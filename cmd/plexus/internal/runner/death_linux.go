// SPDX-License-Identifier: Apache-2.0

package runner

import "syscall"

// dieWithParent has the kernel kill the command when the thread that started it ends,
// which in a Go program that locks no goroutine to a thread is when the program ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
