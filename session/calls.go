// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/status"
)

// Sink takes what comes back for a call. Its methods run on the goroutine that reads the
// connection and must not block, nor call the session's blocking functions.
type Sink interface {
	// Item takes an item of the answering stream. f is valid until Item returns.
	Item(f *Frame)
	// Final is called exactly once, last. Either err is nil and f the REPLY, or err says
	// why there is none; f is nil then.
	Final(f *Frame, err error)
}

// A call id holds the initiator's parity (0: who dialled), a slot and a generation, which
// tells a late frame for an earlier call in the same slot apart:
//
//	31           19 18              1 0
//	+--------------+-----------------+-+
//	| generation   | slot            |p|
//	+--------------+-----------------+-+
const (
	slotBits = 18
	slotMask = 1<<slotBits - 1
	genShift = slotBits + 1
	genMask  = 1<<(32-genShift) - 1
)

// Slot returns the slot in the id of a call: the peer begins no other call in it before it
// has got the final frame, and it is below Config.MaxCalls.
func Slot(id uint32) int { return int(slotOf(id)) }

func slotOf(id uint32) uint32 { return id >> 1 & slotMask }

// calls is the table of calls that this side has begun. A slot is used again only after
// the final frame of its call, even if the caller has long given up.
type calls struct {
	mu      sync.Mutex
	slots   []slot
	free    []uint32
	max     uint32
	parity  uint32
	closed  error
	idle    chan struct{} // closed when no call is open; nil if nobody waits
	pending atomic.Int32  // calls without their final frame, streams included
	streams atomic.Int32  // of them, those with streams
}

type slot struct {
	gen    uint32
	used   bool
	stream bool
	sink   Sink
}

// discard is the sink of calls whose caller has gone.
type discard struct{}

func (discard) Item(*Frame)         {}
func (discard) Final(*Frame, error) {}

// add reserves an id for a call.
func (c *calls) add(sink Sink, stream bool) (uint32, error) {
	c.mu.Lock()
	n, err := c.takeLocked()
	if err != nil {
		c.mu.Unlock()
		return 0, err
	}
	s := &c.slots[n]
	if s.gen++; s.gen > genMask {
		s.gen = 1 // an id is never 0
	}
	s.used, s.stream, s.sink = true, stream, sink
	id := s.gen<<genShift | n<<1 | c.parity
	c.pending.Add(1)
	if stream {
		c.streams.Add(1)
	}
	c.mu.Unlock()
	return id, nil
}

// takeLocked returns a free slot.
func (c *calls) takeLocked() (uint32, error) {
	if c.closed != nil {
		return 0, c.closed
	}
	if l := len(c.free); l > 0 {
		n := c.free[l-1]
		c.free = c.free[:l-1]
		return n, nil
	}
	n := uint32(len(c.slots))
	if n >= c.max {
		return 0, tooManyCalls(n)
	}
	c.slots = append(c.slots, slot{})
	return n, nil
}

// lookupLocked returns the slot of a running call, nil for an id that names none.
func (c *calls) lookupLocked(id uint32) *slot {
	n := slotOf(id)
	if id&1 != c.parity || n >= uint32(len(c.slots)) {
		return nil
	}
	s := &c.slots[n]
	if !s.used || s.gen != id>>genShift {
		return nil
	}
	return s
}

// sink returns who takes the items of a call, nil if there is no such call.
func (c *calls) sink(id uint32) Sink {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.lookupLocked(id); s != nil {
		return s.sink
	}
	return nil
}

// remove ends a call and returns who takes its final frame, nil if there is no such call.
func (c *calls) remove(id uint32) Sink {
	c.mu.Lock()
	s := c.lookupLocked(id)
	if s == nil {
		c.mu.Unlock()
		return nil
	}
	sink := s.sink
	if s.stream {
		c.streams.Add(-1)
	}
	s.used, s.sink = false, nil
	c.free = append(c.free, slotOf(id))
	if c.pending.Add(-1) == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
	c.mu.Unlock()
	return sink
}

// whenIdle returns a channel that is closed when no call is open.
func (c *calls) whenIdle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	ch := c.idle
	if c.pending.Load() == 0 {
		close(ch)
		c.idle = nil
	}
	return ch
}

// abandon makes a call's sink one that discards; false if the final frame is on its way
// to the sink already.
func (c *calls) abandon(id uint32) bool { return c.divert(id) != nil }

// divert gives what still comes for a call to nobody and returns who has taken it so far,
// nil if there is no such call. The final frame ends it as always.
func (c *calls) divert(id uint32) Sink {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.lookupLocked(id)
	if s == nil {
		return nil
	}
	sink := s.sink
	s.sink = discard{}
	return sink
}

// close refuses new calls and returns the sinks of those that are open.
func (c *calls) close(err error) []Sink {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return nil
	}
	c.closed = err
	var sinks []Sink
	for i := range c.slots {
		if s := &c.slots[i]; s.used {
			sinks = append(sinks, s.sink)
			s.used, s.sink = false, nil
			c.pending.Add(-1)
		}
	}
	return sinks
}

// tooManyCalls says so, to people and to programs.
func tooManyCalls(n uint32) *status.Error {
	err := status.Errorf(status.LimitExceeded, "%d calls are open on this session, the peer allows no more", n)
	err.Details = limitDetails("calls", uint64(n), uint64(n))
	return err
}

// limitDetails says to programs which limit of the session was hit, in the form of
// operation.Limit. usage 0 is left out: it is not known.
func limitDetails(name string, usage, bound uint64) []byte {
	if usage == 0 {
		return fmt.Appendf(nil, `{"limit":%q,"scope":"session","bound":%d}`, name, bound)
	}
	return fmt.Appendf(nil, `{"limit":%q,"scope":"session","usage":%d,"bound":%d}`, name, usage, bound)
}
