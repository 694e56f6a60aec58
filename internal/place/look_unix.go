// SPDX-License-Identifier: Apache-2.0

//go:build unix

package place

import (
	"errors"
	"os"
	"syscall"
)

func look(path string) (e entry, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return e, err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		e.link, err = os.Readlink(path)
		return e, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return e, errors.New("the owner of " + path + " is not known")
	}
	return entry{uid: int(st.Uid), others: info.Mode().Perm()&0o022 != 0}, nil
}
