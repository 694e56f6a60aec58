// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockDir locks a directory for as long as the file is open, or this process lives. It is
// errSwept if somebody has removed it meanwhile.
func lockDir(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = errSwept
		}
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) { // who sweeps has it, and will remove it
			err = errSwept
		}
		return nil, err
	}
	if !same(f, path) {
		f.Close()
		return nil, errSwept
	}
	return f, nil
}

// same reports whether path still leads to what f is.
func same(f *os.File, path string) bool {
	here, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(here, there)
}

// removeLeft removes a directory of ours that nobody holds.
func removeLeft(path string) bool {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || int(st.Uid) != os.Geteuid() || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false
	}
	f, err := lockDir(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return os.RemoveAll(path) == nil
}
