// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a disk of so many bytes, of which half is taken by the file ballast.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(bytes)); err != nil {
		t.Skipf("a disk of its own cannot be mounted (it takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(dir+"/ballast", make([]byte, bytes/2), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
