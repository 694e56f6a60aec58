// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/plexus-ipc/plexus/internal/memory"
	"github.com/plexus-ipc/plexus/transport"
)

// borrower reads the peer's blocks. It implements transport.Reclaimer.
type borrower struct {
	c     *Conn
	limit int64 // bytes of all arenas of the peer

	mu     sync.Mutex
	closed bool
	left   bool // the segments are unmapped
	arenas map[uint32]*loaned
	bytes  int64
	given  uint64 // how many blocks were given back
}

// loaned is an arena of the peer's.
type loaned struct {
	m      *memory.Map
	class  int
	blocks []loan
	out    int  // blocks that are borrowed
	ended  bool // unmap when none is
}

// loan is what this side knows of a block.
type loan struct {
	generation uint32
	out        bool
}

func (r *borrower) init(c *Conn, limit int64) {
	r.c, r.limit = c, limit
	r.arenas = make(map[uint32]*loaned)
}

// add maps an arena that the peer has announced.
func (r *borrower) add(fd int, id uint32, class, count int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if class < smallestBlock || class > largestBlock || count < 1 || count > maxLent || r.arenas[id] != nil || len(r.arenas) >= maxArenas {
		return fmt.Errorf("%w: it announced arena %d of %d blocks of class %d beside %d others", ErrPeer, id, count, class, len(r.arenas))
	}
	size := int64(count) << class
	if r.bytes+size > r.limit {
		return fmt.Errorf("%w: its arenas have more than the %d bytes agreed on", ErrPeer, r.limit)
	}
	m, err := openMemory(fd, int(size))
	if err != nil {
		return fmt.Errorf("an arena of the peer's cannot be mapped: %w", err)
	}
	r.bytes += size
	r.arenas[id] = &loaned{m: m, class: class, blocks: make([]loan, count)}
	return nil
}

// openMemory is memory.Open; an object that is not safe is the peer's fault.
func openMemory(fd, size int) (*memory.Map, error) {
	m, err := memory.Open(fd, size)
	if errors.Is(err, memory.ErrUnsafe) {
		err = fmt.Errorf("%w: %w", ErrPeer, err)
	}
	return m, err
}

// remove unmaps an arena that the peer has given up.
func (r *borrower) remove(id uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.arenas[id]
	if r.closed {
		return nil
	}
	if a == nil || a.out > 0 {
		return fmt.Errorf("%w: it gave up arena %d, which is unknown or in use", ErrPeer, id)
	}
	delete(r.arenas, id)
	r.bytes -= int64(a.m.Len())
	a.m.Unmap()
	return nil
}

// Borrow implements transport.Lender. The descriptor is believed only as far as it names a
// block of the peer's that this side does not have yet.
func (c *Conn) Borrow(p []byte) (*transport.Buffer, error) {
	d, err := parseDescriptor(p)
	if err != nil {
		return nil, c.refuse(err)
	}
	r := &c.borrows
	if r.unknown(d.arena) { // its note is waiting in the socket, or there is none
		c.ctl.drain()
	}
	b, err := r.borrow(d)
	if err != nil {
		return nil, c.refuse(err)
	}
	return b, nil
}

// refuse returns net.ErrClosed after Close, whatever the descriptor was.
func (c *Conn) refuse(err error) error {
	if c.flags.Load()&isClosed != 0 {
		err = net.ErrClosed
	}
	return c.recvError(err)
}

func (r *borrower) unknown(id uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arenas[id] == nil
}

func (r *borrower) borrow(d descriptor) (*transport.Buffer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, net.ErrClosed
	}
	a := r.arenas[d.arena]
	if a == nil || d.block >= uint32(len(a.blocks)) || d.length < 1 || d.length > 1<<a.class {
		return nil, fmt.Errorf("%w: a descriptor of %d bytes in block %d of arena %d", ErrPeer, d.length, d.block, d.arena)
	}
	l := &a.blocks[d.block]
	if l.out || d.generation != l.generation+1 {
		return nil, fmt.Errorf("%w: block %d of arena %d was lent twice", ErrPeer, d.block, d.arena)
	}
	l.out, l.generation = true, d.generation
	a.out++
	at := int(d.block) << a.class
	p := a.m.Bytes()[at : at+int(d.length) : at+int(d.length)]
	return transport.ForeignBuffer(p, r, uint64(d.block)<<32|uint64(d.arena)), nil
}

// Reclaim implements transport.Reclaimer: the block goes back.
func (r *borrower) Reclaim(token uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, index := uint32(token), uint32(token>>32)
	a := r.arenas[id]
	l := &a.blocks[index]
	l.out = false
	a.out--
	if a.ended && a.out == 0 {
		delete(r.arenas, id)
		a.m.Unmap()
	}
	if r.left {
		return
	}
	name, generation := r.c.own.entry(r.given)
	name.Store(uint64(index)<<32 | uint64(id))
	generation.Store(uint64(l.generation))
	r.given++
	r.c.own.returned.Store(r.given)
}

// close ends the borrowing: what is being read stays until it is released.
func (r *borrower) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for id, a := range r.arenas {
		if a.ended = true; a.out == 0 {
			delete(r.arenas, id)
			a.m.Unmap()
		}
	}
}

// leave says that the segments go away.
func (r *borrower) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = true
}
