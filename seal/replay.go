// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"sync"
	"time"
)

// Bounds of what is remembered against repetition.
const (
	seenSpan   = 4096 // how far messages of one sender may overtake each other
	maxStreams = 1024 // epochs of senders that are remembered
	perSender  = 64   // of which one sender may have so many
)

// origin is one sender's run of numbers.
type origin struct {
	sender keyID
	epoch  [16]byte
}

// seen remembers which messages came, of each origin the last seenSpan numbers as bits. It
// holds half a KiB for each origin, of which there are at most maxStreams.
type seen struct {
	mu  sync.Mutex
	all map[origin]*span
	per map[keyID]int

	cleared int64 // when old ones were forgotten last
}

type span struct {
	top  uint64 // the highest number that came
	last int64  // its time
	bits [seenSpan / 64]uint64
}

// admit notes a message whose signature is right, and refuses it if it came before, is so
// far behind that this cannot be told, or if too many senders would have to be remembered.
// Origins that have been silent for longer than the window are forgotten: their messages are too old anyway.
func (s *seen) admit(from origin, count uint64, at, now int64, window time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[from]
	if x == nil {
		if s.crowded(from.sender) && now-s.cleared >= int64(window)/8 {
			s.forget(now - int64(window))
			s.cleared = now
		}
		if s.crowded(from.sender) {
			return ErrCrowded
		}
		if s.all == nil {
			s.all, s.per = make(map[origin]*span), make(map[keyID]int)
		}
		x = &span{}
		s.all[from] = x
		s.per[from.sender]++
	}
	x.last = max(x.last, at)
	switch {
	case count == 0:
		return ErrFormat
	case count > x.top:
		x.advance(count)
	case x.top-count >= seenSpan, x.bits[count%seenSpan/64]&(1<<(count%64)) != 0:
		return ErrReplay
	}
	x.bits[count%seenSpan/64] |= 1 << (count % 64)
	return nil
}

// advance makes room for the numbers up to count.
func (x *span) advance(count uint64) {
	if count-x.top >= seenSpan {
		clear(x.bits[:])
	} else {
		for n := x.top + 1; n <= count; n++ {
			x.bits[n%seenSpan/64] &^= 1 << (n % 64)
		}
	}
	x.top = count
}

func (s *seen) crowded(sender keyID) bool {
	return len(s.all) >= maxStreams || s.per[sender] >= perSender
}

// forget drops the origins of which nothing newer than a time came.
func (s *seen) forget(before int64) {
	for o, x := range s.all {
		if x.last < before {
			delete(s.all, o)
			if s.per[o.sender]--; s.per[o.sender] == 0 {
				delete(s.per, o.sender)
			}
		}
	}
}
