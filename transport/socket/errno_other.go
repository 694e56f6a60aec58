// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package socket

import "syscall"

// Windows has numbers of its own for these.
const (
	wsaRefused = syscall.ECONNREFUSED
	wsaInUse   = syscall.EADDRINUSE
)
