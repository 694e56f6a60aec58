// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package claim

import "syscall"

// wsaRefused: Windows has a number of its own.
const wsaRefused = syscall.ECONNREFUSED
