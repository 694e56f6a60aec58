// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"net"
)

// Crowder is offered by a Conn whose Recv polls for a moment before it sleeps.
type Crowder interface {
	// Crowd gives the Conn a function that reports whether other goroutines of this
	// process wait for what Recv brings: then it does not pay to keep them from running.
	// It is called at most once, while nobody else uses the Conn; f must be fast and not block.
	Crowd(f func() bool)
}

// Lender is offered by a Conn whose ends share memory, so that a large payload can be
// passed by reference. All methods may be called from any goroutine at any time; after
// Close they fail with net.ErrClosed.
type Lender interface {
	// Lend returns a block of n bytes, not zeroed, that this side can write and the peer
	// can read. ErrNoBlock means that there is none now, or none of that size: the
	// payload is copied into the frame instead.
	Lend(n int) (Block, error)
	// Borrow returns the bytes of a block that the peer has described, in place: the peer
	// can still write them, so nothing may judge them before they are copied. Releasing
	// the Buffer gives the block back. A descriptor that names no block lent to this side
	// is an error, and the peer a liar.
	Borrow(descriptor []byte) (*Buffer, error)
}

// MaxDescriptor is the longest descriptor of a lent block, in bytes.
const MaxDescriptor = 64

// Block is a piece of shared memory that its Lender has handed out. It ends in one
// of two ways: the frame with the descriptor that Give has made is sent, or Drop.
type Block interface {
	// Bytes is the block, of the length that was asked for; to be written until Give.
	Bytes() []byte
	// Give makes the block the peer's, appends its descriptor to dst, and returns that.
	// The first n bytes are lent. The block comes back when the peer has released it, or
	// with the end of the Conn.
	Give(dst []byte, n int) []byte
	// Drop returns a block that is not sent after all, be it given already.
	Drop()
}

// ErrNoBlock is what Lend returns when a payload has to be copied.
var ErrNoBlock = errors.New("transport: no shared block for it")

// Detacher is offered by a Conn over a plain stream that can be had back, to make
// something else of it: the first step of an upgrade.
type Detacher interface {
	// Detach returns the connection below and the bytes that were read from it but not
	// received. No Send or Recv is under way and none follows; Close does nothing any
	// more.
	Detach() (net.Conn, []byte, error)
}

// Reclaimer takes back memory that a Buffer from ForeignBuffer has used.
type Reclaimer interface {
	// Reclaim is called once, by the last Release, from any goroutine.
	Reclaim(token uint64)
}

// ForeignBuffer returns a Buffer over p with one reference. p belongs to owner, to which it
// goes back, with token, by the last Release; another process may be able to write it.
func ForeignBuffer(p []byte, owner Reclaimer, token uint64) *Buffer {
	b := views.Get().(*Buffer)
	b.b, b.class, b.owner, b.token = p, unpooled, owner, token
	b.refs.Store(1)
	return b
}

// Foreign reports whether the bytes are in memory that another process may be able to
// write: they must be copied before anything is concluded from them.
func (b *Buffer) Foreign() bool {
	return b.owner != nil || b.parent != nil && b.parent.owner != nil
}
