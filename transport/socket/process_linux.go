// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// processOf asks the kernel for the process at the other end (SO_PEERPIDFD, Linux 6.5).
func processOf(fd int) (*os.File, error) {
	p, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		return nil, unsupported("the process behind a socket (SO_PEERPIDFD) with this kernel")
	case err != nil:
		return nil, fmt.Errorf("process behind a socket: %w", err)
	}
	return os.NewFile(uintptr(p), "pidfd"), nil
}
