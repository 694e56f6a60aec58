// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package benchmark

import "time"

// clock is the wall clock, which is fine enough here.
func clock() int64 { return time.Now().UnixNano() }
