// SPDX-License-Identifier: Apache-2.0

package session

// SetHardLimit makes the end of a session whose peer reads nothing cheap to test.
func (s *Session) SetHardLimit(n int) { s.hardLimit = n }

// Partial returns how many messages have come in part, for tests that stand still.
func (s *Session) Partial() int { return len(s.in.partial) }

// DismissWoken reports whether a flusher would go that has been woken again meanwhile.
func DismissWoken(closed bool) bool {
	o := &outbox{wake: make(chan struct{}, 1), on: true, closed: closed}
	o.wake <- struct{}{}
	return o.dismiss(true)
}
