// SPDX-License-Identifier: Apache-2.0

//go:build unix

package bolt

import "syscall"

// errQuota says that the user's part of the disk is full.
const errQuota = syscall.EDQUOT
