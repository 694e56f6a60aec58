// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/internal/memory"
	"github.com/plexus-ipc/plexus/transport"
)

// Blocks have sizes of powers of two. An arena holds blocks of one size.
const (
	smallestBlock = 14 // 16 KiB: below, copying is cheaper than lending
	largestBlock  = 26 // 64 MiB
	maxArenas     = 64
	usualArena    = 4 << 20 // an arena has as many blocks as fit into this, 1 to mostBlocks
	mostBlocks    = 16

	// pause is how long no arena is added after one could not be.
	pause = time.Second
)

func blocksOf(class int) int { return min(max(usualArena>>class, 1), mostBlocks) }

// lender hands out this side's blocks. What is lent stands on this side's heap: the peer
// can only say that it gives something back.
type lender struct {
	c     *Conn
	limit int64 // bytes of all arenas
	idle  time.Duration

	mu      sync.Mutex
	closed  bool // no block is handed out any more
	left    bool // the segments are unmapped
	arenas  map[uint32]*arena
	free    [largestBlock + 1][]*block
	nextID  uint32
	bytes   int64
	lent    int
	seen    uint64 // how many of the peer's returns were read
	growing bool
	failed  time.Time // when an arena could not be added
	timer   *time.Timer
}

// arena is one object of shared memory with blocks of one size.
type arena struct {
	id     uint32
	class  int
	m      *memory.Map
	blocks []block
	busy   int  // blocks that are not free
	held   int  // of those, the ones that are still being written
	used   bool // since the timer last looked
	ended  bool // the Conn has closed: unmap when nobody writes
}

// block implements transport.Block.
type block struct {
	l          *lender
	a          *arena
	index      uint32
	generation uint32
	state      blockState
	n          int
}

type blockState uint8

const (
	isFree blockState = iota
	isHeld            // between Lend and Give or Drop
	isLent
)

func (l *lender) init(c *Conn, limit int64, idle time.Duration) {
	l.c, l.limit, l.idle = c, limit, idle
	l.arenas = make(map[uint32]*arena)
}

// Lend implements transport.Lender.
func (c *Conn) Lend(n int) (transport.Block, error) {
	if n <= 0 || n > 1<<largestBlock {
		return nil, transport.ErrNoBlock
	}
	class := max(bits.Len(uint(n-1)), smallestBlock)
	l := &c.lends
	b, grow, err := l.take(class, n)
	if grow {
		l.grow(class)
		b, _, err = l.take(class, n)
	}
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, transport.ErrNoBlock
	}
	return b, nil
}

// take returns a free block, or nil; grow asks to add an arena first, which only one
// goroutine does at a time.
func (l *lender) take(class, n int) (b *block, grow bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, false, net.ErrClosed
	}
	if len(l.free[class]) == 0 || l.lent == maxLent {
		if err := l.collectLocked(); err != nil {
			l.c.fail(err)
			return nil, false, l.c.sendError(err)
		}
	}
	if l.lent >= maxLent {
		return nil, false, nil
	}
	list := l.free[class]
	if len(list) == 0 {
		grow = !l.growing && l.roomLocked(class)
		l.growing = l.growing || grow
		return nil, grow, nil
	}
	b = list[len(list)-1]
	l.free[class] = list[:len(list)-1]
	b.state, b.n = isHeld, n
	b.a.busy++
	b.a.held++
	b.a.used = true
	l.lent++
	return b, false, nil
}

// roomLocked reports whether an arena may be added, after dropping such as nobody uses.
func (l *lender) roomLocked(class int) bool {
	size := int64(blocksOf(class)) << class
	fits := func() bool { return l.bytes+size <= l.limit && len(l.arenas) < maxArenas }
	if size > l.limit || !l.failed.IsZero() && time.Since(l.failed) < pause {
		return false
	}
	for _, a := range l.arenas {
		if fits() {
			break
		}
		if a.busy == 0 {
			l.dropLocked(a)
		}
	}
	return fits()
}

// collectLocked takes back what the peer has returned. Its words are loaded once each.
func (l *lender) collectLocked() error {
	if l.left {
		return nil
	}
	tail := l.c.peer.returned.Load()
	if tail-l.seen > uint64(l.lent) {
		return fmt.Errorf("%w: it returned %d blocks, %d are lent", ErrPeer, tail-l.seen, l.lent)
	}
	for ; l.seen != tail; l.seen++ {
		name, generation := l.c.peer.entry(l.seen)
		if err := l.returnLocked(name.Load(), generation.Load()); err != nil {
			return err
		}
	}
	return nil
}

func (l *lender) returnLocked(name, generation uint64) error {
	a, index := l.arenas[uint32(name)], name>>32
	if a == nil || index >= uint64(len(a.blocks)) {
		return fmt.Errorf("%w: it returned block %d of arena %d, which does not exist", ErrPeer, index, uint32(name))
	}
	b := &a.blocks[index]
	if b.state != isLent || uint64(b.generation) != generation {
		return fmt.Errorf("%w: it returned a block that it does not have", ErrPeer)
	}
	l.freeLocked(b)
	return nil
}

func (l *lender) freeLocked(b *block) {
	b.state = isFree
	b.a.busy--
	l.lent--
	l.free[b.a.class] = append(l.free[b.a.class], b)
}

// grow adds an arena: the peer has its descriptor before it can see a block of it.
func (l *lender) grow(class int) {
	l.mu.Lock()
	l.nextID++
	id := l.nextID
	l.mu.Unlock()
	a, err := l.build(id, class)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.growing = false
	if err != nil {
		l.failed = time.Now()
		return
	}
	if l.closed {
		a.m.Unmap()
		return
	}
	l.failed = time.Time{}
	l.arenas[id] = a
	l.bytes += int64(a.m.Len())
	for i := range a.blocks {
		l.free[class] = append(l.free[class], &a.blocks[i])
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(l.idle, l.tidy)
	}
}

// build makes an arena and announces it.
func (l *lender) build(id uint32, class int) (*arena, error) {
	count := blocksOf(class)
	m, fd, err := memory.Create("plexus-arena", count<<class)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	a := &arena{id: id, class: class, m: m, blocks: make([]block, count)}
	for i := range a.blocks {
		a.blocks[i] = block{l: l, a: a, index: uint32(i)}
	}
	p := [noteSize]byte{noteArena, byte(class)}
	binary.LittleEndian.PutUint32(p[4:], id)
	binary.LittleEndian.PutUint32(p[8:], uint32(count))
	if err := l.c.ctl.note(&p, fd); err != nil {
		m.Unmap()
		return nil, err
	}
	return a, nil
}

// dropLocked gives an arena up that has no block in use. If the peer cannot be told it
// stays.
func (l *lender) dropLocked(a *arena) {
	p := [noteSize]byte{noteGone}
	binary.LittleEndian.PutUint32(p[4:], a.id)
	if l.c.ctl.note(&p, -1) != nil {
		return
	}
	delete(l.arenas, a.id)
	l.bytes -= int64(a.m.Len())
	kept := l.free[a.class][:0]
	for _, b := range l.free[a.class] {
		if b.a != a {
			kept = append(kept, b)
		}
	}
	clear(l.free[a.class][len(kept):])
	l.free[a.class] = kept
	a.m.Unmap()
}

// tidy drops what was not used since it last looked, and looks again while there are
// arenas.
func (l *lender) tidy() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if err := l.collectLocked(); err != nil {
		l.c.fail(err)
		return
	}
	for _, a := range l.arenas {
		if a.busy == 0 && !a.used {
			l.dropLocked(a)
		}
		a.used = false
	}
	if len(l.arenas) == 0 {
		l.timer = nil
		return
	}
	l.timer.Reset(l.idle)
}

// close ends the lending: all that is not being written goes at once.
func (l *lender) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	for _, a := range l.arenas {
		a.ended = true
		if a.held == 0 {
			a.m.Unmap()
		}
	}
	clear(l.arenas)
	clear(l.free[:])
}

// leave says that the segments go away.
func (l *lender) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
}

// Bytes implements transport.Block.
func (b *block) Bytes() []byte {
	at := int(b.index) << b.a.class
	return b.a.m.Bytes()[at : at+b.n : at+b.n]
}

// Give implements transport.Block.
func (b *block) Give(dst []byte, n int) []byte {
	if n < 1 || n > b.n {
		panic("shm: Give of bytes that were not lent")
	}
	l := b.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.putDownLocked(b)
	b.state = isLent
	b.generation++
	return appendDescriptor(dst, descriptor{b.a.id, b.index, b.generation, uint64(n)})
}

// Drop implements transport.Block.
func (b *block) Drop() {
	l := b.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.state == isLent { // given, but not sent after all: the peer knows of no such loan
		b.state = isFree
		b.generation--
	} else {
		l.putDownLocked(b)
	}
	if l.closed {
		return
	}
	l.freeLocked(b)
}

// putDownLocked ends the writing of a block.
func (l *lender) putDownLocked(b *block) {
	if b.state != isHeld {
		panic("shm: a block given or dropped twice")
	}
	b.state = isFree
	b.a.held--
	if b.a.ended && b.a.held == 0 {
		b.a.m.Unmap()
	}
}

// descriptor is what travels in a frame in place of a payload.
//
//	u32 arena | u32 block | u32 generation | u32 0 | u64 length       little-endian
type descriptor struct {
	arena, block, generation uint32
	length                   uint64
}

const descriptorSize = 24

func appendDescriptor(dst []byte, d descriptor) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, d.arena)
	dst = binary.LittleEndian.AppendUint32(dst, d.block)
	dst = binary.LittleEndian.AppendUint32(dst, d.generation)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return binary.LittleEndian.AppendUint64(dst, d.length)
}

func parseDescriptor(p []byte) (d descriptor, err error) {
	if len(p) != descriptorSize || binary.LittleEndian.Uint32(p[12:]) != 0 {
		return d, fmt.Errorf("%w: a descriptor %x", ErrPeer, p[:min(len(p), transport.MaxDescriptor)])
	}
	return descriptor{
		binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:]), binary.LittleEndian.Uint32(p[8:]), binary.LittleEndian.Uint64(p[16:]),
	}, nil
}
