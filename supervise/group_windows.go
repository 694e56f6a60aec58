// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a job, 0 for none. Its processes end when its last handle is closed: also when
// this process dies.
type group windows.Handle

// apart gives a command a group of its own, which Ctrl-C in this console does not reach,
// and no window.
func apart(cmd *exec.Cmd, _ int, _ bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// lead puts a command that runs into a new job. What it has started in the instant before
// is not in it.
func lead(cmd, _ *exec.Cmd) (group, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, os.NewSyscallError("CreateJobObject", err)
	}
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err == nil {
		err = assign(job, uint32(cmd.Process.Pid))
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return 0, os.NewSyscallError("AssignProcessToJobObject", err)
	}
	return group(job), nil
}

func assign(job windows.Handle, pid uint32) error {
	p, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(p) //nolint:errcheck // it was opened a moment ago
	return windows.AssignProcessToJobObject(job, p)
}

// errNoSignal: there is no asking by a signal here.
var errNoSignal = errors.New("there are no signals on windows")

// terminate is not possible here.
func (g group) terminate() error { return errNoSignal }

// kill ends all of the job.
func (g group) kill() { _ = windows.TerminateJobObject(windows.Handle(g), 1) }

// end kills what is left of the job and lets go of it.
func (g group) end() {
	if g != 0 {
		g.kill()
		_ = windows.CloseHandle(windows.Handle(g))
	}
}

// awaitExit is false: the end of a command is seen by waiting for it.
func awaitExit(*exec.Cmd) bool { return false }

// signalOf returns nothing here.
func signalOf(any) (number int, name string) { return 0, "" }
