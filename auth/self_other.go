// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package auth

import "os"

// self returns the user that this process acts as: the effective one, as the kernel shows
// it to peers.
func self() account { return account{uid: os.Geteuid()} }
