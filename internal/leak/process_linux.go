// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"os"
	"strings"
)

// addDescriptors notes the open descriptors with what they lead to, so that a number used again is seen.
func addDescriptors(s snapshot) {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		// The descriptor that read the folder is gone by now, and has no link.
		if target, err := os.Readlink(dir + "/" + entry.Name()); err == nil {
			text := "descriptor " + entry.Name() + " -> " + target
			s[text] = text
		}
	}
}

// addMappings notes our shared memory that is mapped.
func addMappings(s snapshot) {
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		addMappingsOf(s, string(maps))
	}
}

// addMappingsOf reads the lines of a maps file: address range, rights, offset, device, inode, name.
func addMappingsOf(s snapshot, maps string) {
	for line := range strings.Lines(maps) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "memfd:plexus") || strings.Contains(line, "/dev/shm/plexus") {
			s["mapping "+line] = "mapping " + line
		}
	}
}
