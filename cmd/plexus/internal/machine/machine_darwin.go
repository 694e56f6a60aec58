// SPDX-License-Identifier: Apache-2.0

package machine

import "golang.org/x/sys/unix"

func kernel() string {
	v, err := unix.Sysctl("kern.osrelease")
	if err != nil {
		return ""
	}
	return v
}

func cpu() string {
	v, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return v
}
