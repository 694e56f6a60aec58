// SPDX-License-Identifier: Apache-2.0

//go:build race

package shm

import "sync/atomic"

// The race detector does not see atomics in mapped memory, so what one goroutine does
// before it sends looks unordered to another one of this process that acts on what came
// back. Under the detector every Send therefore leaves a mark here that every Recv reads.
var mark atomic.Uint32

func raceRelease() { mark.Add(1) }
func raceAcquire() { mark.Load() }
