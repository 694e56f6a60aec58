// SPDX-License-Identifier: Apache-2.0

package stdio

import "golang.org/x/sys/unix"

// redirect makes descriptor fd lead where to does.
func redirect(to, fd int) error { return unix.Dup3(to, fd, 0) }
