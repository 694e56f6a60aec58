// SPDX-License-Identifier: Apache-2.0

package session

// Outstanding returns how many calls and streams that were begun here have not ended. It takes
// no lock.
func (s *Session) Outstanding() int { return int(s.calls.pending.Load()) }

// Leaving reports whether new calls are refused, because either side is draining or the session
// has ended. It takes no lock.
func (s *Session) Leaving() bool { return s.draining.Load() }
