// SPDX-License-Identifier: Apache-2.0

package directory

// keepNames is how many members that have gone can still be named.
const keepNames = 4096

// Sources maps the numbers in the source field of messages to member ids. A member that
// has gone keeps its number for a while: messages of its may still wait somewhere. The
// zero value is empty and ready.
type Sources struct {
	last uint64
	ids  map[uint64]string
	gone []uint64 // oldest first
}

// Add gives a member a number that no other has had.
func (s *Sources) Add(id string) uint64 {
	if s.ids == nil {
		s.ids = make(map[uint64]string)
	}
	s.last++
	s.ids[s.last] = id
	return s.last
}

// Remove says that the member with a number has gone.
func (s *Sources) Remove(number uint64) {
	if s.gone = append(s.gone, number); len(s.gone) > keepNames {
		delete(s.ids, s.gone[0])
		s.gone = s.gone[1:]
	}
}

// ID returns the member id of a number, "" if it is not known (any more).
func (s *Sources) ID(number uint64) string { return s.ids[number] }
