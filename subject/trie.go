// SPDX-License-Identifier: Apache-2.0

package subject

import "strings"

// Trie holds values under patterns and finds those whose pattern matches a name.
// The zero Trie is empty and ready.
//
// A Trie has no lock: Insert and Remove need to be alone, while any number of
// goroutines may Match and Len at the same time.
//
// Matching visits at most the nodes of the trie down to the depth of the name. A
// node has one literal and one '*' child for a token, so whoever wants matching to
// take long must first insert that many patterns; no single pattern and no name
// can do it.
//
//	root ── "quotes" ── "acme" {values}       quotes.acme
//	            │  └──── '*' {values}         quotes.*
//	            └ '>' {values}                quotes.>
type Trie[T comparable] struct {
	root node[T]
	size int
}

// node is what a sequence of tokens leads to.
type node[T comparable] struct {
	children map[string]*node[T] // by literal token
	star     *node[T]            // by '*'
	here     bag[T]              // patterns that end here
	below    bag[T]              // patterns that end with '>' here
}

// Insert puts value under pattern, and says whether it was not there before. The
// error is the *NameError of ValidatePattern; the trie is then unchanged.
func (t *Trie[T]) Insert(pattern string, value T) (added bool, err error) {
	if err := ValidatePattern(pattern); err != nil {
		return false, err
	}
	n := &t.root
	for rest, more := pattern, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if token == ">" {
			return t.count(n.below.add(value)), nil
		}
		n = n.grow(token)
	}
	return t.count(n.here.add(value)), nil
}

// count keeps the size after an insertion.
func (t *Trie[T]) count(added bool) bool {
	if added {
		t.size++
	}
	return added
}

// Remove takes value from under pattern, and says whether it was there. Nodes that
// hold nothing any more are dropped.
func (t *Trie[T]) Remove(pattern string, value T) bool {
	if pattern == "" || !t.root.remove(pattern, value) {
		return false
	}
	t.size--
	return true
}

// Len is the number of values; one under two patterns counts twice.
func (t *Trie[T]) Len() int { return t.size }

// Match appends to dst the values of all patterns that match name, and returns
// it. The order means nothing; a value under two matching patterns stands there
// twice. The name must be valid, else the answer means nothing. Nothing is
// allocated but what dst needs to grow.
func (t *Trie[T]) Match(dst []T, name string) []T { return t.root.match(dst, name) }

// grow gives the child for a token of a pattern, making it if needed.
func (n *node[T]) grow(token string) *node[T] {
	if token == "*" {
		if n.star == nil {
			n.star = new(node[T])
		}
		return n.star
	}
	child := n.children[token]
	if child == nil {
		if n.children == nil {
			n.children = make(map[string]*node[T])
		}
		child = new(node[T])
		n.children[strings.Clone(token)] = child // do not keep the whole pattern alive
	}
	return child
}

// match appends what the patterns below n have for the rest of a name.
func (n *node[T]) match(dst []T, name string) []T {
	dst = append(dst, n.below.list...)
	token, rest, more := strings.Cut(name, ".")
	if child := n.children[token]; child != nil {
		dst = child.step(dst, rest, more)
	}
	if n.star != nil {
		dst = n.star.step(dst, rest, more)
	}
	return dst
}

// step appends what n has after the token that led to it.
func (n *node[T]) step(dst []T, rest string, more bool) []T {
	if more {
		return n.match(dst, rest)
	}
	return append(dst, n.here.list...)
}

// remove takes value from the rest of a pattern and prunes on the way back. Its
// depth is that of the trie, whatever the pattern.
func (n *node[T]) remove(pattern string, value T) bool {
	token, rest, more := strings.Cut(pattern, ".")
	if token == ">" && !more {
		return n.below.remove(value)
	}
	child := n.children[token]
	if token == "*" {
		child = n.star
	}
	if child == nil {
		return false
	}
	var removed bool
	if more {
		removed = child.remove(rest, value)
	} else {
		removed = child.here.remove(value)
	}
	if removed && child.empty() {
		n.drop(token)
	}
	return removed
}

// drop forgets the child for a token of a pattern.
func (n *node[T]) drop(token string) {
	if token == "*" {
		n.star = nil
		return
	}
	delete(n.children, token)
	if len(n.children) == 0 {
		n.children = nil
	}
}

func (n *node[T]) empty() bool {
	return len(n.children) == 0 && n.star == nil && len(n.here.list) == 0 && len(n.below.list) == 0
}
