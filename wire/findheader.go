// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// FindHeader returns the value of the first header with a key in an extension section, nil if
// there is none or the section is malformed. It is a part of ext; nothing is allocated.
func FindHeader(ext []byte, key string) []byte {
	data, err := FindExtension(ext, ExtHeaders)
	if err != nil {
		return nil
	}
	for len(data) > 0 {
		n := 1 + int(data[0])
		if len(data) < n+2 {
			return nil
		}
		k, end := data[1:n], n+2+int(binary.LittleEndian.Uint16(data[n:]))
		if len(data) < end {
			return nil
		}
		if string(k) == key {
			return data[n+2 : end]
		}
		data = data[end:]
	}
	return nil
}
