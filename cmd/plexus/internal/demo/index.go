// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// place is where something can be offered: a channel of a hub, or a server of our own.
type place interface {
	plexus.Provider
	plexus.Declarer
	plexus.Publisher
	plexus.Broadcaster
	plexus.Listener
}

// indexer is the provider "index".
type indexer struct {
	folder string
	places []place

	mu     sync.Mutex
	c      *corpus
	words  map[string][]position
	ended  map[string]*produced
	counts map[string]*counter
}

// position is a line of a file.
type position struct{ file, line int32 }

// produced is what a stream has produced until it ended.
type produced struct {
	over  chan struct{}
	items int
}

// counter counts the events of a token. changed is replaced with each.
type counter struct {
	tally
	changed chan struct{}
}

func newIndexer(folder string, places ...place) *indexer {
	return &indexer{folder: folder, places: places, ended: make(map[string]*produced), counts: make(map[string]*counter)}
}

// offer offers everything at all places.
func (x *indexer) offer() error {
	var errs []error
	try := func(_ *plexus.Registration, err error) { errs = append(errs, err) }
	for _, p := range x.places {
		try(plexus.Declare(p, "progress"))
		try(plexus.Handle(p, "build", x.build))
		try(plexus.Handle(p, "search", x.search))
		try(plexus.Handle(p, "file", x.file))
		try(plexus.HandleStream(p, "lines", x.lines))
		try(plexus.Handle(p, "produced", x.produced))
		try(plexus.Handle(p, "note", x.tally)) // who sends events "note" is led to who provides the name
		try(plexus.Handle(p, "lap", x.tally))
		try(plexus.Handle(p, "announce", x.announce(p)))
		try(plexus.Handle(p, "wait", wait))
		for _, event := range []string{"note", "lap"} {
			plexus.On(p, event, func(_ context.Context, l lap) { x.count(l) })
		}
	}
	return firstError(errs)
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// build reads and indexes the folder, and publishes its progress everywhere.
func (x *indexer) build(ctx context.Context, _ struct{}) (built, error) {
	c, err := load(x.folder)
	if err != nil {
		return built{}, err
	}
	words := make(map[string][]position)
	for i, f := range c.Files {
		for j, line := range f.Lines {
			eachWord(line, func(w string) {
				at := position{int32(i), int32(j)}
				if known := words[w]; len(known) == 0 || known[len(known)-1] != at {
					words[w] = append(known, at)
				}
			})
		}
		p := progress{Done: i + 1, Total: len(c.Files), File: f.Path}
		for _, at := range x.places {
			p.Sent = time.Now().UnixNano()
			if err := plexus.Publish(ctx, at, "progress", p); err != nil {
				return built{}, err
			}
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.c, x.words = c, words
	return built{Files: len(c.Files), Lines: c.Lines, Words: len(words), Digest: c.Digest}, nil
}

// ready returns the index, an error before it is built.
func (x *indexer) ready() (*corpus, map[string][]position, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.c == nil {
		return nil, nil, status.Errorf(status.FailedPrecondition, "the index is not built yet: call build first")
	}
	return x.c, x.words, nil
}

func (x *indexer) search(_ context.Context, q query) (hits, error) {
	c, words, err := x.ready()
	if err != nil {
		return hits{}, err
	}
	all := words[q.Word]
	h := hits{Total: len(all), First: make([]hit, 0, min(len(all), q.Limit))}
	for _, at := range all[:min(len(all), q.Limit)] {
		f := &c.Files[at.file]
		h.First = append(h.First, hit{f.Path, int(at.line) + 1, f.Lines[at.line]})
	}
	return h, nil
}

// file answers a path with the file's bytes, raw.
func (x *indexer) file(_ context.Context, path []byte) ([]byte, error) {
	c, _, err := x.ready()
	if err != nil {
		return nil, err
	}
	for i := range c.Files {
		if c.Files[i].Path == string(path) {
			return c.Files[i].Data, nil
		}
	}
	return nil, status.Errorf(status.NotFound, "there is no file %q in the index", path)
}

// lines streams the lines that contain a text. It goes as fast as the consumer takes them.
func (x *indexer) lines(_ context.Context, g grep, send func(hit) error) error {
	c, _, err := x.ready()
	if err != nil {
		return err
	}
	p := x.stream(g.Token)
	defer close(p.over)
	for _, f := range c.Files {
		for j, text := range f.Lines {
			if !strings.Contains(text, g.Text) {
				continue
			}
			if err := send(hit{f.Path, j + 1, text}); err != nil {
				return err // the consumer has gone
			}
			p.items++
		}
	}
	return nil
}

func (x *indexer) stream(token string) *produced {
	p := &produced{over: make(chan struct{})}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ended[token] = p
	return p
}

// produced tells, once the stream has ended, how many items it had sent.
func (x *indexer) produced(ctx context.Context, token string) (int, error) {
	x.mu.Lock()
	p := x.ended[token]
	x.mu.Unlock()
	if p == nil {
		return 0, status.Errorf(status.NotFound, "there was no stream %q", token)
	}
	select {
	case <-p.over:
		return p.items, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// count takes an event.
func (x *indexer) count(l lap) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.counterLocked(l.Token)
	c.Count++
	c.Ordered = c.Ordered && l.N == c.Count
	close(c.changed)
	c.changed = make(chan struct{})
}

func (x *indexer) counterLocked(token string) *counter {
	c := x.counts[token]
	if c == nil {
		c = &counter{tally: tally{Ordered: true}, changed: make(chan struct{})}
		x.counts[token] = c
	}
	return c
}

// tally answers when as many events have come as the asker has sent: events and calls are
// lanes of their own.
func (x *indexer) tally(ctx context.Context, of tallyOf) (tally, error) {
	for {
		x.mu.Lock()
		c := x.counterLocked(of.Token)
		now, changed := c.tally, c.changed
		x.mu.Unlock()
		if now.Count >= of.Want {
			return now, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// announce broadcasts to all who are at a place.
func (x *indexer) announce(at place) func(context.Context, announce) (int, error) {
	return func(ctx context.Context, a announce) (int, error) {
		for i := range a.N {
			if err := plexus.Broadcast(ctx, at, "announced", lap{Token: a.Token, N: i + 1, Sent: time.Now().UnixNano()}); err != nil {
				return i, err
			}
		}
		return a.N, nil
	}
}

// wait answers never: it is for deadlines and for giving up.
func wait(ctx context.Context, _ struct{}) (struct{}, error) {
	<-ctx.Done()
	return struct{}{}, ctx.Err()
}
