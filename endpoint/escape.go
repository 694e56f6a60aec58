// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// What is printed as it is, beside letters, digits and - . _ ~
const (
	keepName = "@+=:"
	keepPath = "/" + keepName
)

const upperHex = "0123456789ABCDEF"

// escape percent-encodes every byte but the unreserved ones and those in keep.
func escape(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isUnreserved(c) || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

// escapePath prints a path for a URL; a Windows path gets a slash in front.
func escapePath(path string) string {
	if isDrive(path) {
		path = "/" + path
	}
	return escape(path, keepPath)
}

// isUnreserved is the rule of RFC 3986.
func isUnreserved(c byte) bool {
	return isAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// unescape decodes percent-encoding and refuses what no text of an endpoint may hold.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, checkText(s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
			return "", errors.New("a '%' is not followed by two hexadecimal digits; write %25 for the character itself")
		}
		out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
		i += 2
	}
	return string(out), checkText(string(out))
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// checkText refuses text that could deceive a reader, break a log line or end a C string.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("the text is not valid UTF-8; use UTF-8 everywhere")
	}
	for _, r := range s {
		if isHostile(r) {
			return fmt.Errorf("the character U+%04X is not allowed in an address; remove it", r)
		}
	}
	return nil
}

// isHostile names the code points that are refused everywhere: controls, line
// separators, bidirectional marks, the byte order mark and the replacement character.
func isHostile(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f:
		return true
	case r < 0x061c:
		return false
	case r == 0x061c, r == 0x200e, r == 0x200f, r == 0xfeff, r == 0xfffd:
		return true
	}
	return r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
