// SPDX-License-Identifier: Apache-2.0

//go:build unix

package runner

import (
	"os/exec"
	"syscall"
)

// killGroup has the end of the command's context kill all that it has started, and keeps
// the terminal's Ctrl-C from it: that is for the provider. Where the system can, the
// command is also killed if the provider is.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
