// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package spin

import "sync/atomic"

// Pause lets a few tens of nanoseconds pass.
func Pause() {
	var x atomic.Uint32
	for range 16 {
		x.Load()
	}
}
