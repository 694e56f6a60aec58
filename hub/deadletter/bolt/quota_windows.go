// SPDX-License-Identifier: Apache-2.0

package bolt

import "syscall"

// errQuota says that the disk is full: ERROR_DISK_FULL.
const errQuota = syscall.Errno(112)
