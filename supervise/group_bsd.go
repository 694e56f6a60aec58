// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package supervise

import (
	"os/exec"
	"syscall"
)

// dieWithParent does nothing here: the child sees the end of its lifeline.
func dieWithParent(*syscall.SysProcAttr) {}

// awaitExit is false: there is no way here to see the end of a command and leave it to be
// waited for.
func awaitExit(*exec.Cmd) bool { return false }
