// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"crypto/rand"
	"sync"
)

// keepNames is how many members that have gone can still be named.
const keepNames = 4096

// Sources maps the numbers in the source field of messages to member ids. A member that
// has gone keeps its number for a while: messages of its may still wait somewhere. The
// zero value is empty and ready. It is safe for concurrent use: sessions ask for names while
// they send.
type Sources struct {
	mu   sync.RWMutex
	last uint64
	ids  map[uint64]string
	gone []uint64 // oldest first
}

// Add gives a member a number that no other has had.
func (s *Sources) Add(id string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[uint64]string)
	}
	s.last++
	s.ids[s.last] = id
	return s.last
}

// Remove says that the member with a number has gone.
func (s *Sources) Remove(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone = append(s.gone, number); len(s.gone) > keepNames {
		delete(s.ids, s.gone[0])
		s.gone = s.gone[1:]
	}
}

// ID returns the member id of a number, "" if it is not known (any more).
func (s *Sources) ID(number uint64) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids[number]
}

// RandomName returns n random lower-case letters and digits.
func RandomName(n int) string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32 that cannot be mistaken for others
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = letters[b[i]%32]
	}
	return string(b)
}
