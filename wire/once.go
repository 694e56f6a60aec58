// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// Once numbers a call that may be sent again after a cut, so that its provider can tell the
// second copy from another call. It travels as the extension ExtOnce of an idempotent CALL.
type Once struct {
	// Key is what the caller's numbers of one method belong to: 128 random bits.
	Key [16]byte
	// Sequence is the number of the call, from 1.
	Sequence uint64
	// Floor is the lowest number that the caller may still send again: answers to those below
	// are wanted no more.
	Floor uint64
	// Attempt is how often the caller has sent the call before.
	Attempt uint32
	// Age is how long ago the first attempt was made, in milliseconds.
	Age uint32
}

// onceSize is the length of the data of an ExtOnce.
const onceSize = 40

// AppendOnce appends the data of an ExtOnce extension: key, u64 sequence, u64 floor, u32
// attempt, u32 age.
func AppendOnce(dst []byte, o Once) []byte {
	dst = append(dst, o.Key[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, o.Sequence)
	dst = binary.LittleEndian.AppendUint64(dst, o.Floor)
	dst = binary.LittleEndian.AppendUint32(dst, o.Attempt)
	return binary.LittleEndian.AppendUint32(dst, o.Age)
}

// ParseOnce parses the data of an ExtOnce extension. Bytes after those known are for later
// versions. A number of 0, or one below its own floor, is ErrExtension.
func ParseOnce(data []byte) (o Once, err error) {
	if len(data) < onceSize {
		return Once{}, ErrExtension
	}
	copy(o.Key[:], data)
	o.Sequence = binary.LittleEndian.Uint64(data[16:])
	o.Floor = binary.LittleEndian.Uint64(data[24:])
	o.Attempt = binary.LittleEndian.Uint32(data[32:])
	o.Age = binary.LittleEndian.Uint32(data[36:])
	if o.Sequence == 0 || o.Sequence < o.Floor {
		return Once{}, ErrExtension
	}
	return o, nil
}
