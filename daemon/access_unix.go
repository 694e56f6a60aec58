// SPDX-License-Identifier: Apache-2.0

//go:build unix

package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openOwn opens a file that nobody but the own user and root can have changed.
func openOwn(path string) (*os.File, error) {
	if err := ownPlace(path, filepath.Dir(path)); err != nil {
		return nil, err
	}
	link, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if link.Mode()&fs.ModeSymlink != 0 {
		if !own(link) {
			return nil, unsafe(path, fmt.Sprintf("it is a symbolic link of another user (%s)", owner(link)))
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, err
		}
		if err := ownPlace(path, filepath.Dir(real)); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe must not hold us up
	if err != nil {
		return nil, err
	}
	info, err := regular(path, f)
	switch {
	case err != nil:
	case !own(info):
		err = unsafe(path, fmt.Sprintf("it belongs to %s, and not to this user or root", owner(info)))
	case info.Mode()&0o022 != 0:
		err = unsafe(path, fmt.Sprintf("others can write it (mode %04o): chmod 644 it", info.Mode().Perm()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ownPlace refuses a directory in which others can put another file in the place of one.
func ownPlace(path, dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !own(info):
		return unsafe(path, fmt.Sprintf("its directory belongs to %s, and not to this user or root", owner(info)))
	case info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		return unsafe(path, fmt.Sprintf("every user can replace it: its directory has the mode %04o", info.Mode().Perm()))
	}
	return nil
}

// own reports whether something belongs to the own user or root.
func own(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (s.Uid == 0 || int(s.Uid) == os.Geteuid())
}

func owner(info os.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint("uid:", s.Uid)
	}
	return "nobody known"
}
