// SPDX-License-Identifier: Apache-2.0

package subject_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/subject"
)

// entry is one insertion as the naive oracle keeps it.
type entry struct {
	pattern string
	value   int
}

// naive is the oracle: a list and Match.
type naive []entry

func (n naive) match(name string) []int {
	var found []int
	for _, e := range n {
		if subject.Match(e.pattern, name) {
			found = append(found, e.value)
		}
	}
	slices.Sort(found)
	return found
}

// randomTokens makes names or, with wildcards, patterns of a small alphabet, so that they meet.
func randomTokens(r *rand.Rand, wild bool) string {
	tokens := make([]string, 1+r.IntN(5))
	for i := range tokens {
		tokens[i] = []string{"a", "b", "c", "*"}[r.IntN(3+map[bool]int{true: 1}[wild])]
	}
	if wild && r.IntN(4) == 0 {
		tokens[len(tokens)-1] = ">"
	}
	return strings.Join(tokens, ".")
}

// slowMatch is a second opinion on Match, by splitting.
func slowMatch(pattern, name string) bool {
	p, n := strings.Split(pattern, "."), strings.Split(name, ".")
	if p[len(p)-1] == ">" {
		p = p[:len(p)-1]
		if len(n) <= len(p) {
			return false
		}
		n = n[:len(p)]
	}
	return slices.EqualFunc(p, n, func(a, b string) bool { return a == "*" || a == b })
}

func TestMatchAgainstSplitting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	matched := 0
	for range 20000 {
		pattern, name := randomTokens(r, true), randomTokens(r, false)
		if got := subject.Match(pattern, name); got != slowMatch(pattern, name) {
			t.Fatalf("Match(%q, %q) = %v", pattern, name, got)
		} else if got {
			matched++
		}
	}
	if matched < 500 {
		t.Errorf("only %d matches: the inputs do not meet", matched)
	}
}

func TestTrieAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var trie subject.Trie[int]
	var oracle naive
	for step := range 5000 {
		e := entry{randomTokens(r, true), r.IntN(60)}
		at := slices.Index(oracle, e)
		if grow := r.IntN(5) < 3; grow == (step/1000%2 == 0) {
			insert(t, &trie, e, at < 0)
			if at < 0 {
				oracle = append(oracle, e)
			}
		} else {
			if at < 0 && len(oracle) > 0 && r.IntN(2) == 0 {
				at = r.IntN(len(oracle))
				e = oracle[at]
			}
			remove(t, &trie, e, at >= 0)
			if at >= 0 {
				oracle = slices.Delete(oracle, at, at+1)
			}
		}
		compare(t, &trie, oracle, randomTokens(r, false))
	}
	for _, e := range oracle {
		remove(t, &trie, e, true)
	}
	compare(t, &trie, nil, "a")
}

func insert(t *testing.T, trie *subject.Trie[int], e entry, want bool) {
	t.Helper()
	if added, err := trie.Insert(e.pattern, e.value); err != nil || added != want {
		t.Fatalf("Insert(%v) = %v, %v; want %v", e, added, err, want)
	}
}

func remove(t *testing.T, trie *subject.Trie[int], e entry, want bool) {
	t.Helper()
	if removed := trie.Remove(e.pattern, e.value); removed != want {
		t.Fatalf("Remove(%v) = %v; want %v", e, removed, want)
	}
}

func compare(t *testing.T, trie *subject.Trie[int], oracle naive, name string) {
	t.Helper()
	got := trie.Match(nil, name)
	slices.Sort(got)
	if want := oracle.match(name); !slices.Equal(got, want) {
		t.Fatalf("Match(%q) = %v; want %v", name, got, want)
	}
	if trie.Len() != len(oracle) {
		t.Fatalf("Len() = %d; want %d", trie.Len(), len(oracle))
	}
}

func TestTrieRefusesAndKeeps(t *testing.T) {
	var trie subject.Trie[string]
	for _, bad := range []string{"", "a..b", ">.a", "a*", "a/b", strings.Repeat("*.", 10000) + "*"} {
		if added, err := trie.Insert(bad, "x"); added || err == nil {
			t.Errorf("Insert(%.20q) = %v, %v", bad, added, err)
		}
		if trie.Remove(bad, "x") {
			t.Errorf("Remove(%.20q)", bad)
		}
	}
	if trie.Len() != 0 || len(trie.Match(nil, "a")) != 0 {
		t.Error("a refused pattern left something")
	}
}

func TestTrieAppendsAndKeepsValuesApart(t *testing.T) {
	var trie subject.Trie[string]
	for _, p := range []string{"a.b", "a.*", "a.>", ">"} {
		for _, v := range []string{"x", "y"} {
			if added, err := trie.Insert(p, v); !added || err != nil {
				t.Fatal(p, v, err)
			}
		}
	}
	got := trie.Match([]string{"kept"}, "a.b")
	if len(got) != 9 || got[0] != "kept" {
		t.Errorf("got %v", got)
	}
	if !trie.Remove("a.*", "x") || trie.Remove("a.*", "x") || trie.Remove("a.c", "x") || trie.Len() != 7 {
		t.Errorf("Len() = %d", trie.Len())
	}
}

func TestManyValuesOfOnePattern(t *testing.T) {
	var trie subject.Trie[int]
	const n = 20000
	for i := range n {
		insert(t, &trie, entry{"a.*", i}, true)
	}
	insert(t, &trie, entry{"a.*", 7}, false)
	for i := range n { // in the order that a search would find last
		remove(t, &trie, entry{"a.*", n - 1 - (i*7919)%n}, true)
	}
	if trie.Len() != 0 || len(trie.Match(nil, "a.b")) != 0 {
		t.Error("something is left")
	}
}

// hostileTrie holds 2^depth patterns of a and '*' that end in z, so that a name of
// a's visits every one of their nodes and matches none.
func hostileTrie(t testing.TB, depth int) (*subject.Trie[int], string) {
	t.Helper()
	trie := new(subject.Trie[int])
	for bits := range 1 << depth {
		var b strings.Builder
		for i := range depth {
			b.WriteString([]string{"a.", "*."}[bits>>i&1])
		}
		if _, err := trie.Insert(b.String()+"z", bits); err != nil {
			t.Fatal(err)
		}
	}
	return trie, strings.Repeat("a.", depth) + "y"
}

func TestHostilePatternsStayLinear(t *testing.T) {
	limit := time.Now().Add(20 * time.Second) // takes milliseconds; an exponential search takes years
	trie, name := hostileTrie(t, 13)
	if got := trie.Match(nil, name); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	deep := new(subject.Trie[int])
	for i := 1; i <= 127; i++ { // a.a.a…*, at every depth
		for _, end := range []string{"*", ">", "*.b"} {
			if pattern := strings.Repeat("a.", i) + end; len(pattern) <= subject.MaxLength {
				insert(t, deep, entry{pattern, i}, true)
			}
		}
	}
	if got := deep.Match(nil, strings.Repeat("a.", 127)+"a"); len(got) != 1+127 {
		t.Errorf("%d matches", len(got))
	}
	wild, long := strings.Repeat("*.", 10000)+"b", strings.Repeat("a.", 10000)+"a"
	if subject.Match(wild, long) || !subject.Match(strings.Repeat("*.", 10000)+">", long) {
		t.Error("10000 wildcards match wrongly")
	}
	if got := deep.Match(nil, long); len(got) != 127 { // not valid, still bounded by the trie
		t.Errorf("%d matches", len(got))
	}
	if time.Now().After(limit) {
		t.Error("matching is not linear")
	}
}

func TestNoAllocations(t *testing.T) {
	var trie subject.Trie[int]
	for i, p := range []string{"quotes.acme.bid", "quotes.*.bid", "quotes.>", ">", "*.*.*"} {
		insert(t, &trie, entry{p, i}, true)
	}
	dst := make([]int, 0, 8)
	name := "quotes.acme.bid"
	for what, f := range map[string]func(){
		"Match":           func() { subject.Match("quotes.*.bid", name) },
		"Trie.Match":      func() { dst = trie.Match(dst[:0], name) },
		"ValidateTopic":   func() { _ = subject.ValidateTopic("quotes.münchen.हिन्दी") },
		"ValidatePattern": func() { _ = subject.ValidatePattern("quotes.*.>") },
		"SplitMethod":     func() { _, _, _ = subject.SplitMethod("math/add") },
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	if len(dst) != 5 {
		t.Errorf("matched %v", dst)
	}
}

func BenchmarkMatch(b *testing.B) {
	for b.Loop() {
		subject.Match("quotes.*.bid", "quotes.acme.bid")
	}
}

func BenchmarkTrieMatch(b *testing.B) {
	var trie subject.Trie[int]
	for i := range 10000 {
		trie.Insert(fmt.Sprintf("quotes.s%d.bid", i), i)
	}
	trie.Insert("quotes.*.bid", -1)
	var dst []int
	for b.Loop() {
		dst = trie.Match(dst[:0], "quotes.s4711.bid")
	}
}

func BenchmarkTrieMatchHostile(b *testing.B) {
	trie, name := hostileTrie(b, 13)
	for b.Loop() {
		trie.Match(nil, name)
	}
}
