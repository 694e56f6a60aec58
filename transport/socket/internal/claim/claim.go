// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/plexus-ipc/plexus/transport"
)

// Claim is the right to serve a path: the lock on its sibling file and, once bound, the
// file at the path. It belongs to one goroutine at a time.
type Claim struct {
	path string
	lock *os.File
	file fs.FileInfo // what was bound; nil before
}

// Take takes the lock and clears the path. What lies there is judged only under the
// lock, by probe, which connects to it. A missing directory is made, for the owner and,
// unless that is "", the group. Errors are *Refusal where somebody can do something.
func Take(path, group string, probe func(path string) error) (*Claim, error) {
	if err := ensureDir(filepath.Dir(path), group); err != nil {
		return nil, err
	}
	lock, err := lifeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	if err := clearPath(path, probe); err != nil {
		_ = unlock(lock)
		return nil, err
	}
	return &Claim{path: path, lock: lock}, nil
}

// Bound remembers which file is ours.
func (c *Claim) Bound() (err error) {
	c.file, err = os.Lstat(c.path)
	return err
}

// Release removes the path if it is still what was bound, and gives the lock back. The
// socket must still be open, so that the number of its inode cannot be in use again. A
// nil Claim, that on an abstract name, has nothing to release.
func (c *Claim) Release() error {
	if c == nil {
		return nil
	}
	var err error
	if now, e := os.Lstat(c.path); e == nil && c.file != nil && os.SameFile(now, c.file) {
		err = os.Remove(c.path)
	}
	return errors.Join(err, unlock(c.lock))
}

// ensureDir makes a missing directory (one level) for the owner alone, and refuses one
// in which everybody may replace files.
func ensureDir(dir, group string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return makeDir(dir, group)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return Refuse(transport.ErrForeign, "%s is not a directory", dir)
	}
	return checkDir(dir, info)
}

func makeDir(dir, group string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil // another process of ours was faster; the lock decides between us
	case errors.Is(err, fs.ErrNotExist):
		return Refuse(err, "create the directory %s first; only its last part is made", filepath.Dir(dir))
	case err != nil || group == "":
		return err
	}
	return Grant(dir, group, 0o710)
}

// clearPath makes room at path or says why it must not be touched.
func clearPath(path string, probe func(string) error) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := removable(path, info); err != nil {
		return err
	}
	switch err := probe(path); {
	case err == nil, errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EPROTOTYPE), errors.Is(err, syscall.EPERM):
		return Refuse(transport.ErrInUse, "%s is served by a process that holds no lock on it; stop that process or choose another path", path)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaRefused):
		return removeSame(path, info)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return Refuse(err, "cannot find out whether %s is in use; remove it by hand if it is not", path)
	}
}

// removable refuses everything but a socket of our own user.
func removable(path string, info fs.FileInfo) error {
	kind := ""
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		kind = "a symbolic link, which is not followed"
	case mode.IsDir():
		kind = "a directory"
	case mode.IsRegular():
		kind = "a regular file"
	case mode&fs.ModeSocket == 0:
		kind = "not a socket"
	}
	if kind != "" {
		return Refuse(transport.ErrForeign, "%s is %s; remove it or choose another path", path, kind)
	}
	return ownedByUs(path, info)
}

// removeSame removes path if it is still the file that was judged.
func removeSame(path string, judged fs.FileInfo) error {
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !os.SameFile(now, judged) {
		return Refuse(transport.ErrInUse, "%s was replaced by somebody while we looked at it", path)
	}
	return os.Remove(path)
}
