// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin && !windows

package benchmark

import "time"

// processTime is not known here.
func processTime() *time.Duration { return nil }
