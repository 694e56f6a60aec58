// SPDX-License-Identifier: Apache-2.0

// Package bulletin is what the hub itself has to say: log lines, faults and events, for those
// who have subscribed to the channel "$". A Board takes them from wherever they occur, under
// whatever lock, and gives them to the readers from a goroutine of its own, which is there
// only as long as something waits: nothing that a reader causes can hold the hub up.
//
// While nobody reads, a Post costs one atomic load. What comes too often is held back and
// counted, so that a line about a line cannot multiply.
package bulletin

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/subject"
)

// Class is the first token of a topic.
type Class uint8

// The classes.
const (
	Logs Class = iota
	Errors
	Events
	classes
)

var prefixes = [classes]string{operation.TopicLogs + ".", operation.TopicErrors + ".", operation.TopicEvents + "."}

// perSecond is how many of one topic are posted in a second; more are held back.
var perSecond = [classes]int{Logs: 100, Errors: 20, Events: 10_000}

// MaxWaiting is how many bulletins wait for the Board's goroutine. What is more is lost, and
// every reader is told of as many.
const MaxWaiting = 4096

// Reader is a subscription to bulletins.
type Reader interface {
	// Take is given a bulletin, whose body nobody changes. It must not block. It is called by
	// one goroutine at a time.
	Take(topic string, body []byte)
	// Miss is told that at most so many bulletins are missing here.
	Miss(n uint64)
}

// Board takes bulletins and gives them to readers. Make one with New. It is safe for
// concurrent use.
type Board struct {
	now func() time.Time

	wanted [classes]atomic.Bool // somebody reads some of it

	mu      sync.Mutex
	trie    subject.Trie[Reader]
	readers map[Reader]string // and their patterns
	rates   map[string]*rate
	waiting []posted
	lost    uint64
	running bool
	idle    chan struct{} // closed when nothing runs; nil if nobody waits
}

type posted struct {
	topic string
	v     any
}

// rate counts the bulletins of one topic in the present second.
type rate struct {
	since time.Time
	n     int
	held  uint64
}

// New returns a Board without readers, whose clock is now.
func New(now func() time.Time) *Board {
	return &Board{now: now, readers: make(map[Reader]string), rates: make(map[string]*rate)}
}

// Wants reports whether anybody reads anything of a class. It is cheap.
func (b *Board) Wants(c Class) bool { return b.wanted[c].Load() }

// Add has a reader get what matches a valid pattern, from now on, until Remove.
func (b *Board) Add(pattern string, r Reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.trie.Insert(pattern, r); err == nil {
		b.readers[r] = pattern
		b.lookLocked()
	}
}

// Remove ends what Add began. A bulletin that is under way may still be given to the reader.
func (b *Board) Remove(r Reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pattern, ok := b.readers[r]; ok {
		b.trie.Remove(pattern, r)
		delete(b.readers, r)
		b.lookLocked()
	}
}

// lookLocked finds out what is wanted.
func (b *Board) lookLocked() {
	var wanted [classes]bool
	for _, pattern := range b.readers {
		for c, prefix := range prefixes {
			wanted[c] = wanted[c] || reaches(pattern, prefix)
		}
	}
	for c := range wanted {
		b.wanted[c].Store(wanted[c])
	}
}

// reaches reports whether a pattern can match a topic that begins with prefix.
func reaches(pattern, prefix string) bool {
	switch pattern[0] {
	case '*', '>':
		return true
	}
	return len(pattern) > len(prefix) && pattern[:len(prefix)] == prefix
}

// Post gives the readers a bulletin of a class and type. make is called, at once, only if
// somebody reads it and it is not too much; held is how many were held back before it. It may
// hold locks of the caller, but none that it takes itself.
func (b *Board) Post(c Class, kind string, make func(now time.Time, held uint64) any) {
	if !b.wanted[c].Load() {
		return
	}
	topic := prefixes[c] + kind
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.trie.Match(nil, topic)) == 0 {
		return
	}
	now := b.now()
	held, ok := b.mayLocked(topic, perSecond[c], now)
	if !ok {
		return
	}
	if len(b.waiting) >= MaxWaiting {
		b.lost++
		return
	}
	b.waiting = append(b.waiting, posted{topic, make(now, held)})
	if !b.running {
		b.running = true
		go b.run() // it ends when nothing waits; Wait waits for it
	}
}

// mayLocked reports whether one more of a topic may be posted. Topics are few: each is a
// word of the hub's own.
func (b *Board) mayLocked(topic string, most int, now time.Time) (held uint64, ok bool) {
	r := b.rates[topic]
	if r == nil {
		r = &rate{}
		b.rates[topic] = r
	}
	if d := now.Sub(r.since); d < 0 || d >= time.Second {
		r.since, r.n = now, 0
	}
	if r.n >= most {
		r.held++
		return 0, false
	}
	r.n++
	held, r.held = r.held, 0
	return held, true
}

// run gives the readers what waits, until nothing does.
func (b *Board) run() {
	var readers []Reader
	for {
		p, lost, ok := b.next(&readers)
		if !ok {
			return
		}
		if lost > 0 {
			for _, r := range b.all() {
				r.Miss(lost)
			}
		}
		body, err := json.Marshal(p.v)
		if err != nil { // an attribute of a log line that has no JSON
			body, _ = json.Marshal(operation.LogLine{Message: "a bulletin on " + p.topic + " has no JSON: " + err.Error()})
		}
		for _, r := range readers {
			r.Take(p.topic, body)
		}
	}
}

// next takes the oldest bulletin out, and finds out who reads it.
func (b *Board) next(readers *[]Reader) (p posted, lost uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.waiting, b.running = nil, false
		if b.idle != nil {
			close(b.idle)
			b.idle = nil
		}
		return p, 0, false
	}
	p = b.waiting[0]
	b.waiting[0] = posted{}
	b.waiting = b.waiting[1:]
	clear(*readers)
	*readers = b.trie.Match((*readers)[:0], p.topic)
	lost, b.lost = b.lost, 0
	return p, lost, true
}

func (b *Board) all() []Reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Reader, 0, len(b.readers))
	for r := range b.readers {
		all = append(all, r)
	}
	return all
}

// Wait returns when all that was posted has been given to the readers. It must not be called
// by a Reader.
func (b *Board) Wait() {
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
