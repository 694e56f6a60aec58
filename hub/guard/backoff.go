// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"container/list"
	"time"

	"github.com/plexus-ipc/plexus/auth"
)

// What failed tries cost.
const (
	freeTries   = 3                // failures that cost nothing but themselves
	firstDelay  = time.Second      // after the next one; doubled by each further one
	longest     = time.Minute      // up to this
	forgetAfter = 10 * time.Minute // without a failure, beyond the delay
	maxGuessers = 4096             // who was not heard of for longest makes room
)

// Backoff slows down who guesses passwords, each identity by itself, over all its sessions and
// all channels. A success makes nothing forgotten: a guesser has a channel of his own whose
// password he knows. The zero value is ready; it is not safe for concurrent use.
type Backoff struct {
	table  map[string]*list.Element // of *guesser
	recent list.List                // the same, last touched first
}

type guesser struct {
	who      string
	failures int
	free     time.Time // when the next try may be looked at
}

// Wait returns how long who must not try again, 0 if he may.
func (b *Backoff) Wait(who string, now time.Time) time.Duration {
	g := b.find(who, now)
	if g == nil {
		return 0
	}
	return max(0, min(g.free.Sub(now), longest)) // no longer, also if the clock was set back
}

// Failed notes a failed try and returns how long the next one has to wait.
func (b *Backoff) Failed(who string, now time.Time) time.Duration {
	g := b.find(who, now)
	if g == nil {
		g = b.add(who)
	}
	g.failures++
	delay := time.Duration(0)
	if n := g.failures - freeTries; n > 0 {
		delay = min(firstDelay<<min(n-1, 16), longest)
	}
	g.free = now.Add(delay)
	return delay
}

// Len returns how many are remembered.
func (b *Backoff) Len() int { return b.recent.Len() }

// find returns what is known of who, nil for nothing or what is to be forgotten.
func (b *Backoff) find(who string, now time.Time) *guesser {
	e := b.table[who]
	if e == nil {
		return nil
	}
	g := e.Value.(*guesser)
	if now.Sub(g.free) > forgetAfter {
		b.remove(e)
		return nil
	}
	b.recent.MoveToFront(e)
	return g
}

func (b *Backoff) add(who string) *guesser {
	if b.table == nil {
		b.table = make(map[string]*list.Element)
	}
	if len(b.table) >= maxGuessers {
		b.remove(b.recent.Back())
	}
	g := &guesser{who: who}
	b.table[who] = b.recent.PushFront(g)
	return g
}

func (b *Backoff) remove(e *list.Element) {
	delete(b.table, e.Value.(*guesser).who)
	b.recent.Remove(e)
}

// Guesser names who failed tries are counted against: the user whom the kernel vouches for, else
// the machine; and what the handshake has proved. Nothing that a peer chooses itself is in
// it, so that a new session or id is no new beginning.
func Guesser(id auth.Identity) string {
	p := auth.Peer{RemoteAddress: id.RemoteAddress, HasCredentials: id.HasCredentials, UID: id.UID, GID: id.GID, PID: id.PID, SID: id.SID}
	return p.Origin() + " " + id.Name
}
