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
