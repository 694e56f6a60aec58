// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"net"

	"github.com/plexus-ipc/plexus/transport"
)

// What tests that break the rules know of the layout.
const (
	OffMagic    = offMagic
	OffRing     = offRing
	OffConsumed = offConsumed
	OffSleep    = offSleep
	OffWait     = offWait
	OffReturned = offReturned
	OffEntries  = offEntries
	OffData     = offData
	CardSize    = cardSize
	NoteSize    = noteSize
)

// Segment returns the memory that one side writes and the other one reads.
func Segment(c transport.Conn) []byte { return c.(*Conn).own.m.Bytes() }

// Position returns where in its Segment the next record begins.
func Position(c transport.Conn) int {
	t := &c.(*Conn).tx
	return offData + int(t.pos&(t.own.size-1))
}

// Socket returns the control socket.
func Socket(c transport.Conn) *net.UnixConn { return c.(*Conn).ctl.socket }

// Misses returns how often in a row polling has been in vain.
func Misses(c transport.Conn) int { return int(c.(*Conn).rxWait.misses) }

// Parked reports whether the receiver sleeps, or is about to.
func Parked(c transport.Conn) bool { return c.(*Conn).parked.Load() }

// Steps are the moments between two stores, or two system calls, of what a side does. Each
// function stops there; the process is killed next.
var Steps = map[string]func(c *Conn){
	"copied, not committed": func(c *Conn) {
		at := c.tx.pos & (c.own.size - 1)
		copy(c.own.bytes(at+recordHead, 100), make([]byte, 100))
		c.own.head(c.tx.pos + recordSize(100)).Store(0)
	},
	"skipped to the start": func(c *Conn) {
		for c.tx.pos+64 < c.own.size {
			if ok, err := c.tx.put(kindFrame, []byte{8, 0, 0, 0, 0, 0, 0, 0}); !ok || err != nil {
				panic("no room")
			}
		}
		c.own.head(0).Store(0)
		c.own.head(c.tx.pos).Store(wrapMark | c.own.lapAt(c.tx.pos))
	},
	"committed, not rung": func(c *Conn) { _, _ = c.tx.put(kindFrame, []byte{8, 0, 0, 0, 0, 0, 0, 0}) },
	"about to sleep":      func(c *Conn) { c.rxWait.turn() },
	"about to wait":       func(c *Conn) { c.txWait.turn() },
	"half a note":         func(c *Conn) { _, _ = c.ctl.socket.Write(make([]byte, noteSize/2)) },
	"arena announced":     func(c *Conn) { _, _ = c.Lend(1 << 20) },
	"block given": func(c *Conn) {
		b, _ := c.Lend(1 << 20)
		b.Give(nil, 1<<20)
	},
	"block sent": func(c *Conn) {
		b, _ := c.Lend(1 << 20)
		b.Bytes()[1<<20-1] = 9
		p := b.Give([]byte{0, 0, 0, 0}, 1<<20)
		p[0] = byte(len(p))
		_ = c.Send(p)
	},
	"block borrowed": func(c *Conn) { borrowOne(c) },
	"block half returned": func(c *Conn) {
		b := borrowOne(c)
		name, generation := c.own.entry(c.borrows.given)
		name.Store(1 << 32)
		generation.Store(1)
		_ = b
	},
	"block returned": func(c *Conn) { borrowOne(c).Release() },
}

func borrowOne(c *Conn) *transport.Buffer {
	f, err := c.Recv()
	if err != nil {
		panic(err)
	}
	b, err := c.Borrow(f.Bytes()[4:])
	if err != nil {
		panic(err)
	}
	return b
}

// Stop does a step.
func Stop(c transport.Conn, step string) {
	Steps[step](c.(*Conn))
}
