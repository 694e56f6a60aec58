// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"math"
	"slices"
)

// What earns a secret a warning: fewer bytes than weakBelow, without repetitions, or less to
// guess than weakBits, estimated by how often each byte occurs. 16 random bytes have about 60
// by that measure, which knows nothing of words and dates.
const (
	weakBelow = 16
	weakBits  = 40
)

// Warning returns a sentence for the operator if a secret is such that who saw one proof may
// find it by trying, else "".
func (s *SharedSecret) Warning() string {
	for _, secret := range *s.secrets.Load() {
		if w := weakness(secret); w != "" {
			return w + " and may be found by trying; use at least 16 random bytes"
		}
	}
	return ""
}

func weakness(secret []byte) string {
	switch n := period(secret); {
	case len(secret) < weakBelow:
		return fmt.Sprintf("a secret has only %d bytes", len(secret))
	case n < weakBelow:
		return fmt.Sprintf("a secret repeats %d bytes again and again", n)
	case entropy(secret) < weakBits:
		return "a secret has hardly any different bytes"
	}
	return ""
}

// period returns how many bytes there are before s repeats itself, its length if it does not.
func period(s []byte) int {
	for n := 1; n < min(len(s), weakBelow); n++ {
		if slices.Equal(s[n:], s[:len(s)-n]) {
			return n
		}
	}
	return len(s)
}

// entropy estimates the bits that are to be guessed.
func entropy(s []byte) (bits float64) {
	var count [256]int
	for _, b := range s {
		count[b]++
	}
	for _, n := range count {
		if n > 0 {
			bits -= float64(n) * math.Log2(float64(n)/float64(len(s)))
		}
	}
	return bits
}
