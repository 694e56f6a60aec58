// SPDX-License-Identifier: Apache-2.0

//go:build unix

package stdio

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// takeStreams moves descriptors 0 and 1 out of everybody's way.
func takeStreams() (*streams, error) {
	if err := distinct(); err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	in, err := move(0, int(null.Fd()))
	if err != nil {
		return nil, err
	}
	out, err := move(1, 2)
	if err != nil {
		return nil, errors.Join(err, moveBack(in, 0))
	}
	restore := func() error { return errors.Join(moveBack(in, 0), moveBack(out, 1)) }
	return &streams{in: in, out: out, restore: restore}, nil
}

// distinct refuses the one case in which prints cannot be kept apart from frames.
func distinct() error {
	out, err := os.Stdout.Stat()
	if err != nil {
		return err
	}
	if other, err := os.Stderr.Stat(); err == nil && os.SameFile(out, other) && out.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		return errors.New("standard output and standard error are the same pipe, so prints would break the protocol; redirect standard error")
	}
	return nil
}

// move returns a file for what descriptor fd led to, and lets fd lead where to does. A
// pipe or socket is made non-blocking, so that Close can end a pending Read or Write.
func move(fd, to int) (*os.File, error) {
	moved, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	if err := redirect(to, fd); err != nil {
		_ = unix.Close(moved)
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(moved, &st); err == nil && (st.Mode&unix.S_IFMT == unix.S_IFIFO || st.Mode&unix.S_IFMT == unix.S_IFSOCK) {
		_ = unix.SetNonblock(moved, true)
	}
	return os.NewFile(uintptr(moved), "stdio"), nil
}

// moveBack undoes move.
func moveBack(f *os.File, fd int) error {
	_ = unix.SetNonblock(int(f.Fd()), false)
	return errors.Join(redirect(int(f.Fd()), fd), f.Close())
}
