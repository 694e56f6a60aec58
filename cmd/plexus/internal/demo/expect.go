// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// expect computes what the consumers must have got, by scanning instead of an index: a
// digest for each key that a consumer reports.
func expect(c *corpus) map[string]string {
	want := map[string]string{
		"lines": digest(scanLines(c, grepText)),
		"files": filesDigest(c),
		"count": digest(countLines(c)),
	}
	counts := scanWords(c)
	for _, w := range sampleWords() {
		want["search "+w] = digest(scanWord(c, w))
		want["lookup "+w] = digest(wordCount{w, counts[w]})
	}
	want["top"] = digest(topOf(counts))
	return want
}

func scanWord(c *corpus, word string) hits {
	whole := regexp.MustCompile(`\b` + regexp.QuoteMeta(word) + `\b`)
	h := hits{First: []hit{}}
	for _, f := range c.Files {
		for i, text := range f.Lines {
			if !whole.MatchString(text) {
				continue
			}
			if h.Total++; h.Total <= searchTop {
				h.First = append(h.First, hit{f.Path, i + 1, text})
			}
		}
	}
	return h
}

func scanLines(c *corpus, text string) []hit {
	var all []hit
	for _, f := range c.Files {
		for i, line := range f.Lines {
			if strings.Contains(line, text) {
				all = append(all, hit{f.Path, i + 1, line})
			}
		}
	}
	return all
}

// scanWords counts words by splitting, where the provider walks.
func scanWords(c *corpus) map[string]int {
	counts := make(map[string]int)
	for _, f := range c.Files {
		for _, line := range f.Lines {
			for _, w := range strings.FieldsFunc(line, func(r rune) bool { return r >= 0x80 || !isWord(byte(r)) }) {
				counts[w]++
			}
		}
	}
	return counts
}

func topOf(counts map[string]int) []wordCount {
	lines := make([]string, 0, len(counts))
	for w, n := range counts {
		lines = append(lines, fmt.Sprintf("%012d %s", 999_999_999_999-n, w))
	}
	slices.Sort(lines)
	top := []wordCount{}
	for _, l := range lines[:min(topWords, len(lines))] {
		w := l[13:]
		top = append(top, wordCount{w, counts[w]})
	}
	return top
}

// someFiles are the files that are fetched whole.
func someFiles(c *corpus) []file { return c.Files[:min(fileCount, len(c.Files))] }

func filesDigest(c *corpus) string {
	sum := sha256.New()
	for _, f := range someFiles(c) {
		sum.Write(f.Data)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// uploadLines are the lines that are uploaded.
func uploadLines(c *corpus) []string {
	var all []string
	for _, f := range c.Files[:min(uploaded, len(c.Files))] {
		all = append(all, f.Lines...)
	}
	return all
}

func countLines(c *corpus) counted {
	var n counted
	for _, line := range uploadLines(c) {
		n.Lines++
		n.Bytes += len(line)
		n.Words += len(strings.FieldsFunc(line, func(r rune) bool { return r >= 0x80 || !isWord(byte(r)) }))
	}
	return n
}
