// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// Windows: who may connect is decided by the access control list that the socket file
// inherits from its directory; mode and group are not used.

func checkDir(string, fs.FileInfo) error { return nil }

func ownedByUs(string, fs.FileInfo) error { return nil }

// Grant does nothing here.
func Grant(string, string, uint32) error { return nil }

func openLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

// lockAt is where the locked byte lies: far behind the process id, so that others can
// read that. Windows forbids reading locked bytes.
const lockAt = 1 << 30

// tryLock reports whether somebody else holds the lock.
func tryLock(f *os.File) (held bool, err error) {
	at := windows.Overlapped{Offset: lockAt}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return true, nil
	}
	return false, err
}

// alive reports whether there is a process with this id.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	_ = windows.CloseHandle(h)
	return true
}
