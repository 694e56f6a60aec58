// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise_test

import "syscall"

// rawWrite writes to a descriptor as C code does.
func rawWrite(fd int, text string) {
	for p := []byte(text); len(p) > 0; {
		n, err := syscall.Write(fd, p)
		if n > 0 {
			p = p[n:]
		} else if err != syscall.EINTR && err != syscall.EAGAIN {
			return
		}
	}
}
