// SPDX-License-Identifier: Apache-2.0

package socket

import "golang.org/x/sys/unix"

// newSocket makes a unix socket that does not block and is not inherited.
func newSocket(kind int) (int, error) {
	return unix.Socket(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}
