// SPDX-License-Identifier: Apache-2.0

package socket

import "golang.org/x/sys/windows"

// What the other systems call ECONNREFUSED and EADDRINUSE.
const (
	wsaRefused = windows.WSAECONNREFUSED
	wsaInUse   = windows.WSAEADDRINUSE
)
