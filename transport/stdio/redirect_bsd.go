// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package stdio

import "golang.org/x/sys/unix"

// redirect makes descriptor fd lead where to does.
func redirect(to, fd int) error { return unix.Dup2(to, fd) }
