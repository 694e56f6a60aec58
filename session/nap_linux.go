// SPDX-License-Identifier: Apache-2.0

package session

import (
	"runtime"
	"syscall"
	"time"
)

// nap sleeps in the kernel, on a thread of its own. A timer of the Go runtime would wake
// the thread that waits for the network, and with it often a second one: measured, one such
// tick makes some twenty of a lone caller's next calls four times slower on two cores.
func nap(d time.Duration) {
	if runtime.GOMAXPROCS(0) == 1 {
		time.Sleep(d) // the only P must not wait for this
		return
	}
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // woken early is as well
}
