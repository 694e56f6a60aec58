// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package runner

import "syscall"

// dieWithParent does nothing here.
func dieWithParent(*syscall.SysProcAttr) {}
