// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package socket

import "os"

// processOf is not possible on this system.
func processOf(int) (*os.File, error) { return nil, unsupported("the process behind a socket") }
