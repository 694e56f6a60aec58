// SPDX-License-Identifier: Apache-2.0

package routes

import "sync"

// Lane is what the order of messages is kept in: a sender and the name that it publishes on.
// Session tells the sessions of one id apart.
type Lane struct{ Sender, Session, Channel, Name string }

// MaxLanes is how many lanes are remembered; those that were used least lately go first.
const MaxLanes = 16 << 10

// span is how far back a message is taken for one that has come before. One farther back is
// of a sender that counts anew.
const span = 4096

// Lanes remembers how far the messages of other hubs have come, so that one that comes by a
// second way, after the way has changed, is given to nobody twice, nor after a later one. Its memory
// is bounded: two words for a lane. The zero value is empty and ready. It is safe for
// concurrent use.
type Lanes struct {
	mu    sync.Mutex
	young map[Lane]*mark
	old   map[Lane]*mark // were young before there were too many
}

// mark is how far a lane has come, and by which session.
type mark struct {
	via  string
	last uint64
}

// New reports whether a message of a lane is to go on; it is noted. via is the session that
// brings it: what comes by one session comes once and in order, so that nothing is compared.
func (l *Lanes) New(lane Lane, via string, sequence uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.markLocked(lane)
	if m.via != via && sequence <= m.last && m.last-sequence < span {
		return false
	}
	m.via, m.last = via, sequence
	return true
}

func (l *Lanes) markLocked(lane Lane) *mark {
	if m := l.young[lane]; m != nil {
		return m
	}
	m := l.old[lane]
	if m == nil {
		m = &mark{}
	}
	delete(l.old, lane)
	if l.young == nil || len(l.young) >= MaxLanes/2 {
		l.old, l.young = l.young, make(map[Lane]*mark)
	}
	l.young[lane] = m
	return m
}

// Len returns how many lanes are remembered.
func (l *Lanes) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.young) + len(l.old)
}
