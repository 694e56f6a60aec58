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
// is bounded: some words for a lane. The zero value is empty and ready. It is safe for
// concurrent use.
type Lanes struct {
	mu    sync.Mutex
	young map[Lane]*Turn
	old   map[Lane]*Turn // were young before there were too many
}

// Turn is a lane while one message of it is given out: one that comes by another way at the
// same time waits, so that it cannot come between the judgement and the delivery.
type Turn struct {
	mu   sync.Mutex
	via  string // the session that brought the last message
	last uint64 // and its number
}

// End lets the next message of the lane go on.
func (t *Turn) End() { t.mu.Unlock() }

// Begin returns a Turn, to be ended, if a message of a lane is to go on; nil if it has been
// given out, or a later one has. via is the session that brings it: what comes by one session
// comes once and in order, so that nothing is compared.
func (l *Lanes) Begin(lane Lane, via string, sequence uint64) *Turn {
	t := l.turn(lane)
	t.mu.Lock()
	if t.via != via && sequence <= t.last && t.last-sequence < span {
		t.mu.Unlock()
		return nil
	}
	t.via, t.last = via, sequence
	return t
}

func (l *Lanes) turn(lane Lane) *Turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.young[lane]; m != nil {
		return m
	}
	m := l.old[lane]
	if m == nil {
		m = &Turn{}
	}
	delete(l.old, lane)
	if l.young == nil || len(l.young) >= MaxLanes/2 {
		l.old, l.young = l.young, make(map[Lane]*Turn)
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
