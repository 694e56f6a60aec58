// SPDX-License-Identifier: Apache-2.0

//go:build unix

package claim

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// openLock opens a regular file of ours and follows no link.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, Refuse(transport.ErrForeign, "%s is a symbolic link, which is not followed; remove it or choose another path", path)
	}
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENXIO) {
		return nil, Refuse(transport.ErrForeign, "%s is not a regular file; remove it or choose another path", path)
	}
	if err != nil {
		return nil, err
	}
	if err := checkLock(path, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func checkLock(path string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return Refuse(transport.ErrForeign, "%s is not a regular file; remove it or choose another path", path)
	}
	return ownedByUs(path, info)
}

// tryLock reports whether somebody else holds the lock.
func tryLock(f *os.File) (held bool, err error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return true, nil
		default:
			return false, err
		}
	}
}

// alive reports whether there is a process with this id, ours or not.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, fs.ErrPermission)
}
