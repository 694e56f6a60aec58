// SPDX-License-Identifier: Apache-2.0

package subject_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/plexus-ipc/plexus/subject"
)

// FuzzPattern: no input panics; what is valid is safe to log; Match agrees with
// splitting and with a trie of one pattern.
func FuzzPattern(f *testing.F) {
	v := readVectors(f)
	for _, m := range v.Matches {
		f.Add(m.Pattern, m.Name)
	}
	for i, n := range v.Names {
		f.Add(v.Patterns[i%len(v.Patterns)].Pattern, n.Name)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got := subject.Match(pattern, name)
		nameErr, patternErr := subject.ValidateTopic(name), subject.ValidatePattern(pattern)
		checkError(t, nameErr)
		checkError(t, patternErr)
		if nameErr == nil {
			checkName(t, name)
		}
		var trie subject.Trie[int]
		added, err := trie.Insert(pattern, 1)
		if added != (patternErr == nil) || (err == nil) != added {
			t.Fatalf("Insert(%q) = %v, %v; ValidatePattern = %v", pattern, added, err, patternErr)
		}
		inTrie := len(trie.Match(nil, name)) == 1
		if nameErr == nil && patternErr == nil && (got != slowMatch(pattern, name) || got != inTrie) {
			t.Fatalf("Match(%q, %q) = %v, trie %v", pattern, name, got, inTrie)
		}
		if trie.Remove(pattern, 1) != added || trie.Len() != 0 {
			t.Fatalf("Remove(%q) did not undo Insert", pattern)
		}
	})
}

func checkName(t *testing.T, name string) {
	t.Helper()
	bad := func(r rune) bool {
		return r == '*' || r == '>' || r == '/' || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs)
	}
	if name == "" || len(name) > subject.MaxLength || !utf8.ValidString(name) || strings.Contains(name, "..") {
		t.Fatalf("accepted %q", name)
	}
	if i := strings.IndexFunc(name, bad); i >= 0 && !visibleFormat(name[i:]) {
		t.Fatalf("accepted %q", name)
	}
	if !subject.Match(name, name) || subject.ValidatePattern(name) != nil {
		t.Fatalf("%q is no pattern for itself", name)
	}
}

// visibleFormat excuses the visible format characters: signs that stand before numbers and hieroglyph joiners.
func visibleFormat(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.Is(unicode.Prepended_Concatenation_Mark, r) || r >= 0x13430 && r <= 0x1343f
}

// FuzzTrie runs a program of operations against the oracle. Each instruction is
// two bytes: what to do and a value, then the pattern or name in two letters' steps.
func FuzzTrie(f *testing.F) {
	f.Add([]byte("\x00\x01\x05\x06\x01\x01\x05\x06"))
	f.Add([]byte("\x00\x01\x1b\x00\x01\x02\x1b\x02\x00\x00\x03\x1b"))
	f.Fuzz(func(t *testing.T, program []byte) {
		var trie subject.Trie[int]
		var oracle naive
		for len(program) >= 4 {
			op, value, text := program[0], int(program[1]), tokensOf(program[2], program[3])
			program = program[4:]
			e := entry{text, value % 40}
			at := slices.Index(oracle, e)
			switch {
			case op%3 == 0:
				insert(t, &trie, e, at < 0)
				if at < 0 {
					oracle = append(oracle, e)
				}
			case op%3 == 1:
				remove(t, &trie, e, at >= 0)
				if at >= 0 {
					oracle = slices.Delete(oracle, at, at+1)
				}
			default:
				compare(t, &trie, oracle, strings.NewReplacer("*", "c", ">", "d").Replace(text))
			}
		}
		compare(t, &trie, oracle, "a.b")
	})
}

// tokensOf spells a pattern of up to 7 tokens with two bits each; the last may be '>'.
func tokensOf(low, high byte) string {
	bits := int(low) | int(high)<<8
	tokens := make([]string, 1+bits&7%7)
	for i := range tokens {
		bits >>= 2
		tokens[i] = []string{"a", "b", "c", "*"}[bits&3]
	}
	if high >= 0xc0 {
		tokens[len(tokens)-1] = ">"
	}
	return strings.Join(tokens, ".")
}
