// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/plexus-ipc/plexus"
)

// statistics is the provider "words": what is in the folder, by word.
type statistics struct {
	counts map[string]int
	sorted []wordCount
}

func newStatistics(c *corpus) *statistics {
	s := &statistics{counts: make(map[string]int)}
	for _, f := range c.Files {
		for _, line := range f.Lines {
			eachWord(line, func(w string) { s.counts[w]++ })
		}
	}
	for w, n := range s.counts {
		s.sorted = append(s.sorted, wordCount{w, n})
	}
	slices.SortFunc(s.sorted, func(a, b wordCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Word, b.Word))
	})
	return s
}

func (s *statistics) offer(places ...place) error {
	var errs []error
	try := func(_ *plexus.Registration, err error) { errs = append(errs, err) }
	for _, p := range places {
		try(plexus.Handle(p, "top", s.top))
		try(plexus.HandleDuplex(p, "lookup", s.lookup))
		try(plexus.HandleUpload(p, "count", count))
	}
	return firstError(errs)
}

// top returns the most frequent words.
func (s *statistics) top(_ context.Context, n int) ([]wordCount, error) {
	return s.sorted[:min(max(n, 0), len(s.sorted))], nil
}

// lookup answers each word with its count, as a conversation.
func (s *statistics) lookup(ctx context.Context, d *plexus.Duplex[wordCount, string]) error {
	for w, err := range d.All(ctx) {
		if err != nil {
			return err
		}
		if err := d.Send(ctx, wordCount{w, s.counts[w]}); err != nil {
			return err
		}
	}
	return nil
}

// count counts what is uploaded.
func count(_ context.Context, lines iter.Seq2[string, error]) (counted, error) {
	var c counted
	for line, err := range lines {
		if err != nil {
			return c, err
		}
		c.Lines++
		c.Bytes += len(line)
		eachWord(line, func(string) { c.Words++ })
	}
	return c, nil
}
