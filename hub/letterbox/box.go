// SPDX-License-Identifier: Apache-2.0

// Package letterbox takes dead letters from wherever a hub drops messages, under whatever lock,
// and writes them to a deadletter.Store from a goroutine of its own, which is there only as
// long as something waits. What comes while a batch is written makes the next one: one flush of
// the disk serves all of it. What waits is bounded; what is more is lost, and counted.
package letterbox

import (
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// One batch has at most so many letters and, from the second on, bytes.
const (
	batchLetters = 4096
	batchBytes   = 4 << 20
)

// Reasons why a letter is lost.
const (
	LostFull     = "queue_full" // too much waited to be written
	LostClosed   = "closed"     // the hub had ended
	LostStore    = "store"      // the store failed
	LostTooLarge = "too_large"  // longer than the store takes
)

// Config describes a Box.
type Config struct {
	Store deadletter.Store
	// Bytes bounds what waits.
	Bytes int
	// Log is told of failures, at most once a second.
	Log *slog.Logger
	Now func() time.Time
}

// Box is the queue before a Store. Make one with New. It is safe for concurrent use.
type Box struct {
	cfg    Config
	rarely deadletter.Rarely

	mu      sync.Mutex
	waiting []letter
	bytes   int // of those that wait, are being written, or have a place reserved
	count   int // likewise, letters
	running bool
	closed  bool
	idle    chan struct{} // closed when nothing runs; nil if nobody waits for that
	kept    uint64
	lost    map[string]uint64
	failing bool
}

// letter is a record with whom to tell.
type letter struct {
	r    *deadletter.Record
	size int
	done func(kept bool) // may be nil
}

// New returns an empty Box.
func New(cfg Config) *Box { return &Box{cfg: cfg, lost: make(map[string]uint64)} }

// Reserve takes room for a letter of so many bytes, before anything is copied for it; false
// if there is none, and the letter is counted as lost. Put must follow.
func (b *Box) Reserve(size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		b.lost[LostClosed]++
		return false
	case b.bytes+size > b.cfg.Bytes:
		b.lost[LostFull]++
		return false
	}
	b.bytes += size
	b.count++
	return true
}

// Put has a record written for which Reserve has taken room; the record belongs to the Box from
// then on. done, if not nil, is called once, on the Box's goroutine, when the record is on the
// disk, or when it is lost. It must not block.
func (b *Box) Put(r *deadletter.Record, size int, done func(kept bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, letter{r, size, done})
	if !b.running {
		b.running = true
		go b.run()
	}
}

// run writes until nothing waits.
func (b *Box) run() {
	for {
		batch := b.next()
		if len(batch) == 0 {
			return
		}
		b.write(batch)
	}
}

// next takes a batch out of the queue. With nothing to take the goroutine is over.
func (b *Box) next() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, size := 0, 0
	for n < len(b.waiting) && n < batchLetters && (n == 0 || size+b.waiting[n].size <= batchBytes) {
		size += b.waiting[n].size
		n++
	}
	batch := b.waiting[:n:n]
	if b.waiting = b.waiting[n:]; len(b.waiting) == 0 {
		b.waiting = nil
	}
	if n == 0 {
		b.running = false
		if b.idle != nil {
			close(b.idle)
			b.idle = nil
		}
	}
	return batch
}

// write gives a batch to the store and tells what came of it.
func (b *Box) write(batch []letter) {
	records := make([]*deadletter.Record, len(batch))
	for i := range batch {
		records[i] = batch[i].r
	}
	err := b.cfg.Store.Append(records)
	if err != nil && len(batch) > 1 && status.CodeOf(err) == status.TooLarge { // one is to blame: the others need not suffer
		for i := range batch {
			b.written(batch[i:i+1], b.cfg.Store.Append(records[i:i+1]))
		}
		return
	}
	b.written(batch, err)
}

func (b *Box) written(batch []letter, err error) {
	b.mu.Lock()
	failed := b.failing
	for i := range batch {
		b.bytes -= batch[i].size
	}
	b.count -= len(batch)
	switch {
	case err == nil:
		b.kept += uint64(len(batch))
		b.failing = false
	case status.CodeOf(err) == status.TooLarge:
		b.lost[LostTooLarge] += uint64(len(batch))
	default:
		b.lost[LostStore] += uint64(len(batch))
		b.failing = true
	}
	b.mu.Unlock()
	if err != nil {
		if held, ok := b.rarely.Line(b.cfg.Now()); ok {
			b.cfg.Log.Warn("dead letters are lost: the store does not take them", "letters", len(batch), "error", err.Error(), "lines_held", held)
		}
	} else if failed {
		b.cfg.Log.Info("the store of dead letters takes them again")
	}
	for i := range batch {
		if batch[i].done != nil {
			batch[i].done(err == nil)
		}
	}
}

// Flush returns when all that has been put is written or lost.
func (b *Box) Flush() {
	b.mu.Lock()
	if !b.running {
		b.mu.Unlock()
		return
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	<-idle
}

// Close has what comes from now on be lost, and returns when what came before is written.
func (b *Box) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.Flush()
}

// Stats returns the counts, with those of the store.
func (b *Box) Stats() operation.DeadLetterStats {
	var s operation.DeadLetterStats
	if r, ok := b.cfg.Store.(deadletter.Reporter); ok {
		s.DeadLetterStore = r.Report()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Kept, s.Lost, s.Waiting = b.kept, maps.Clone(b.lost), b.count
	return s
}
