// SPDX-License-Identifier: Apache-2.0

package subject

import "testing"

func TestRemovePrunes(t *testing.T) {
	var trie Trie[int]
	patterns := []string{"a.b.c", "a.b", "a.*.c.>", "*.*", ">", "a.b.c.>", "x.y.z"}
	for _, p := range patterns {
		if _, err := trie.Insert(p, 1); err != nil {
			t.Fatal(err)
		}
	}
	full := countNodes(&trie.root)
	trie.Remove("x.y.z", 1)
	if got := countNodes(&trie.root); got != full-3 {
		t.Errorf("%d nodes, want %d: a branch was not pruned as a whole", got, full-3)
	}
	trie.Remove("a.b", 1) // a.b.c still needs the node
	if got := countNodes(&trie.root); got != full-3 {
		t.Errorf("%d nodes, want %d: a node in use was pruned", got, full-3)
	}
	for _, p := range patterns {
		trie.Remove(p, 1)
	}
	if got := countNodes(&trie.root); got != 1 || !trie.root.empty() || trie.root.children != nil {
		t.Errorf("%d nodes are left of an empty trie", got)
	}
}

func countNodes[T comparable](n *node[T]) int {
	sum := 1
	for _, child := range n.children {
		sum += countNodes(child)
	}
	if n.star != nil {
		sum += countNodes(n.star)
	}
	return sum
}

func TestForbiddenIsSorted(t *testing.T) {
	for i, f := range forbidden {
		if f.first > f.last || i > 0 && forbidden[i-1].last >= f.first || f.why == "" {
			t.Errorf("row %d (U+%04X) is out of order", i, f.first)
		}
	}
}
