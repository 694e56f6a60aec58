// SPDX-License-Identifier: Apache-2.0

// Package patience decides how often who waits for a socket looks again before it sleeps.
package patience

import (
	"runtime"
	"sync/atomic"
)

// A goroutine that waits for the network sleeps, and to be woken costs it and the peer ten
// to twenty microseconds and as much processor time. Two processes that talk one message at
// a time are faster if they look at the socket again a few times, and give the processor
// away in between: measured, a call takes a half to a third of the time and a half of the
// processor time. It does not pay when the next message takes longer to come, nor when
// several are under way, because they then come in batches; so who waits finds out.
const (
	maxPolls  = 20  // about as long as it takes to be woken
	maxMisses = 4   // waits in vain before a Conn stops polling
	firstSkip = 16  // so many waits then do not poll, before one finds out whether it pays again,
	maxSkip   = 240 // and twice as many after each that was in vain
	maxStreak = 255 // after so many polls, sleep once: it is others' turn on this processor
)

// polling counts the goroutines of this process that poll, of which there are at most half
// as many as processors: each keeps one from others. A Conn has no other link to the rest of
// the process.
var polling, maxPolling = new(atomic.Int32), max(1, int32(runtime.NumCPU()/2))

// Patience decides how often to poll before sleeping. It belongs to who receives. The zero
// value is ready.
type Patience struct {
	// Crowd says whether others wait for what comes; nil: no.
	Crowd func() bool

	misses, skipped, skip uint8
	streak                uint8
}

// Polls returns how often to look, when the last read has brought so many frames.
func (p *Patience) Polls(frames int) int {
	if frames != 1 || !canYield || p.Crowd != nil && p.Crowd() {
		return 0
	}
	if p.misses >= maxMisses {
		if p.skipped++; p.skipped <= p.skip {
			return 0
		}
		p.skipped = 0
	}
	if p.streak = (p.streak + 1) % maxStreak; p.streak == 0 {
		return 0
	}
	return maxPolls
}

// Begin reports whether one more may poll; Done must follow then.
func (p *Patience) Begin() bool {
	if polling.Add(1) <= maxPolling {
		return true
	}
	polling.Add(-1)
	return false
}

// Done notes how it went.
func (p *Patience) Done(hit bool) {
	polling.Add(-1)
	switch {
	case hit:
		p.misses, p.skip = 0, firstSkip
	case p.misses < maxMisses:
		p.misses, p.skip = p.misses+1, firstSkip
	default:
		p.skip = uint8(min(2*int(p.skip), maxSkip))
	}
}
