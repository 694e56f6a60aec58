// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package spin

import "runtime"

// Yield offers the core to another goroutine.
func Yield() { runtime.Gosched() }
