// SPDX-License-Identifier: Apache-2.0

package claim

import "golang.org/x/sys/windows"

// wsaRefused is what the other systems call ECONNREFUSED.
const wsaRefused = windows.WSAECONNREFUSED
