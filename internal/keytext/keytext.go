// SPDX-License-Identifier: Apache-2.0

// Package keytext writes keys as text that people copy: a prefix that says what it is, and
// the bytes with a check sum, so that a key that lost a character is refused and does not
// become another key.
package keytext

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

// sumSize is the length of the check sum, in bytes.
const sumSize = 4

// Format returns prefix and key as one word: "prefix-" and base64url of the key and the
// first four bytes of SHA-256("prefix-" ‖ key).
func Format(prefix string, key []byte) string {
	word := prefix + "-"
	b := append(append(make([]byte, 0, len(key)+sumSize), key...), sum(word, key)...)
	return word + base64.RawURLEncoding.EncodeToString(b)
}

// Parse returns the key of size bytes that Format wrote with prefix. Space around it is
// left out. An error says what is wrong and never shows the text, which may be secret.
func Parse(prefix, text string, size int) ([]byte, error) {
	word := prefix + "-"
	body, ok := strings.CutPrefix(strings.TrimSpace(text), word)
	if !ok {
		return nil, fmt.Errorf("the key does not begin with %q: it is another kind of key, or none", word)
	}
	if want := base64.RawURLEncoding.EncodedLen(size + sumSize); len(body) != want {
		return nil, fmt.Errorf("the key has %d characters after %q instead of %d: was it cut?", len(body), word, want)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(b) != size+sumSize {
		return nil, fmt.Errorf("the key holds characters that are none of base64url")
	}
	if subtle.ConstantTimeCompare(b[size:], sum(word, b[:size])) != 1 {
		return nil, fmt.Errorf("the check sum of the key is wrong: a character was changed")
	}
	return b[:size:size], nil
}

func sum(word string, key []byte) []byte {
	h := sha256.New()
	h.Write([]byte(word))
	h.Write(key)
	return h.Sum(nil)[:sumSize]
}
