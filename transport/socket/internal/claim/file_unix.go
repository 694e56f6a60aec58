// SPDX-License-Identifier: Apache-2.0

//go:build unix

package claim

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// checkDir refuses a directory that everybody can write to unless it is sticky.
func checkDir(dir string, info fs.FileInfo) error {
	if info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return Refuse(ErrUnsafe, "everybody may replace files in %s; take that right away (chmod o-w) or use another directory", dir)
	}
	return nil
}

// ownedByUs refuses a file of another user.
func ownedByUs(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	return Refuse(transport.ErrForeign, "%s belongs to user %d, we are user %d; choose another path", path, st.Uid, os.Geteuid())
}

// Grant gives a file of ours to a group, then sets the mode. Links are not followed.
func Grant(path, group string, mode uint32) error {
	if group != "" {
		gid, err := groupID(group)
		if err != nil {
			return err
		}
		if err := os.Lchown(path, -1, gid); err != nil {
			return Refuse(err, "cannot give %s to the group %s; be a member of it", path, group)
		}
	}
	return chmodNoFollow(path, mode)
}

func groupID(group string) (int, error) {
	if n, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, Refuse(err, "name an existing group")
	}
	return strconv.Atoi(g.Gid)
}

// chmodNoFollow sets the mode of path itself. Linux before 6.6 cannot, so there path is
// checked first; who could exchange it in between can write to the directory.
func chmodNoFollow(path string, mode uint32) error {
	err := unix.Fchmodat(unix.AT_FDCWD, path, mode, unix.AT_SYMLINK_NOFOLLOW)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return Refuse(transport.ErrForeign, "%s was replaced by a symbolic link", path)
	}
	return os.Chmod(path, fs.FileMode(mode))
}
