// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package socket

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// newSocket makes a unix socket that does not block and is not inherited. ForkLock keeps
// a child from being started between the two steps.
func newSocket(kind int) (int, error) {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
