// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux && !darwin

package doctor

import "golang.org/x/sys/unix"

// bufferUnit: what is told is what there is.
const bufferUnit = 1

// limits are the limits that checks ask for.
var limits = map[string]int{"nofile": unix.RLIMIT_NOFILE}

// own adds nothing here.
func (s *System) own() {}
