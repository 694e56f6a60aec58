// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package main

import "testing"

func smallDisk(t *testing.T, _ int) string {
	t.Helper()
	t.Skip("a disk of its own can be mounted on Linux only")
	return ""
}
