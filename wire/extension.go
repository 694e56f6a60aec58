// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// Extension types. A receiver skips those it does not know.
const (
	ExtHeaders   = 1 // keys and values given by the caller
	ExtTrace     = 2 // W3C trace context, as bytes
	ExtTimestamp = 3 // i64 nanoseconds since 1970, when the sender made the message
	ExtHops      = 4 // hubs passed so far (bridges)
	ExtEndToEnd  = 5 // what signatures cover (bridges, sealing)
	ExtOnce      = 6 // which call it is, if it may be sent again: see Once
)

// AppendExtension appends one extension: u8 type, u8 zero, u16 length of data, data,
// padded with zeros to a multiple of 8 bytes.
func AppendExtension(dst []byte, typ uint8, data []byte) []byte {
	dst = append(dst, typ, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(data)))
	dst = append(dst, data...)
	for n := 4 + len(data); n%8 != 0; n++ {
		dst = append(dst, 0)
	}
	return dst
}

// NextExtension splits the first extension off ext. At the end of ext typ is 0.
func NextExtension(ext []byte) (typ uint8, data, rest []byte, err error) {
	if len(ext) == 0 {
		return 0, nil, nil, nil
	}
	if len(ext) < 8 || ext[0] == 0 {
		return 0, nil, nil, ErrExtension
	}
	n := int(binary.LittleEndian.Uint16(ext[2:]))
	padded := (4 + n + 7) &^ 7
	if padded > len(ext) {
		return 0, nil, nil, ErrExtension
	}
	return ext[0], ext[4 : 4+n], ext[padded:], nil
}

// FindExtension returns the data of the first extension of a type, nil if there is none.
func FindExtension(ext []byte, want uint8) ([]byte, error) {
	for {
		typ, data, rest, err := NextExtension(ext)
		if err != nil || typ == 0 {
			return nil, err
		}
		if typ == want {
			return data, nil
		}
		ext = rest
	}
}

// Pair is a header given by the caller: a key and its value.
type Pair struct{ Key, Value string }

// AppendHeaders appends the data of an ExtHeaders extension: for each pair u8 length of
// the key, key, u16 length of the value, value. It returns false if a key is empty or
// longer than 255 bytes or not UTF-8, or the whole is longer than an extension can be.
func AppendHeaders(dst []byte, pairs []Pair) ([]byte, bool) {
	start := len(dst)
	for _, p := range pairs {
		if p.Key == "" || len(p.Key) > 255 || len(p.Value) > MaxExtensions || !utf8.ValidString(p.Key) {
			return dst[:start], false
		}
		dst = append(dst, byte(len(p.Key)))
		dst = append(dst, p.Key...)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p.Value)))
		dst = append(dst, p.Value...)
	}
	return dst, len(dst)-start <= MaxExtensions-4
}

// ParseHeaders appends the pairs in data to dst. The strings are copies.
func ParseHeaders(dst []Pair, data []byte) ([]Pair, error) {
	for len(data) > 0 {
		key, rest, err := string8(data)
		if err != nil || key == "" || len(rest) < 2 {
			return nil, ErrExtension
		}
		n := int(binary.LittleEndian.Uint16(rest))
		if len(rest) < 2+n {
			return nil, ErrExtension
		}
		dst = append(dst, Pair{key, string(rest[2 : 2+n])})
		data = rest[2+n:]
	}
	return dst, nil
}
