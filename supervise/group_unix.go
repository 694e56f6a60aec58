// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise

import (
	"errors"
	"os/exec"
	"syscall"
)

// group is a process group, 0 for none.
type group int

// apart puts a command into a group: that of leader, or its own if that is 0.
func apart(cmd *exec.Cmd, leader int, die bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: leader}
	if die {
		dieWithParent(cmd.SysProcAttr)
	}
}

// lead returns the group of a command that runs.
func lead(cmd, keeper *exec.Cmd) (group, error) {
	if keeper != nil {
		return group(keeper.Process.Pid), nil
	}
	return group(cmd.Process.Pid), nil
}

// terminate asks all of the group to end.
func (g group) terminate() error {
	err := syscall.Kill(-int(g), syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// kill ends all of the group.
func (g group) kill() { _ = syscall.Kill(-int(g), syscall.SIGKILL) }

// end kills what is left of the group.
func (g group) end() {
	if g > 0 {
		g.kill()
	}
}

// signalOf returns the signal that ended a process, 0 and "" for none.
func signalOf(state any) (number int, name string) {
	ws, ok := state.(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return 0, ""
	}
	return int(ws.Signal()), ws.Signal().String()
}
