// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/plexus-ipc/plexus/internal/memory"
	"github.com/plexus-ipc/plexus/transport"
)

// A segment is all that one side writes but its arenas. The other side maps it for
// reading only, so each word has one writer. Words that the other side polls stand 128
// bytes apart, because cores fetch lines in pairs.
//
//	0      magic, ring size, generation
//	128    consumed   u64  how far this side has taken what is in the other's ring
//	256    sleep      u32  odd: this side's receiver is about to sleep, or does
//	384    wait       u32  odd: this side's sender is about to wait for room, or does
//	512    returned   u64  how many blocks this side has given back, ever
//	4096   the blocks given back, 1024 entries of 16 bytes: arena, block, generation, 0
//	20480  the ring
//
// The ring holds records, aligned to 64 bytes, none of them across its end:
//
//	u32 length + 1, 0: nothing yet | u8 kind | u24 lap | the bytes
//
// The first eight bytes are stored last and at once, after the eight bytes behind the record
// have been zeroed: so old content is never taken for a record, and one line tells all. The
// lap, how often the ring has been gone around, keeps a peer from having the same records
// read over and over again without doing anything for it.
const (
	offMagic      = 0
	offRing       = 8
	offGeneration = 16
	offConsumed   = 128
	offSleep      = 256
	offWait       = 384
	offReturned   = 512
	offEntries    = 4096
	offData       = offEntries + maxLent*entrySize

	maxLent   = 1024 // blocks that one side may have lent at a time
	entrySize = 16

	recordHead  = 8
	recordAlign = 64
	wrapMark    = 1<<32 - 1 // in place of a length: go on at the start

	magic = 0x316d68732d787870 // "pxx-shm1"
)

// Kinds of records.
const (
	kindFrame = 0 // one frame
	kindBatch = 1 // several whole frames, back to back
)

// Sizes of the ring. The smallest has room for the longest frame, whatever is left before
// the end and whatever the other side has taken but not yet told.
const (
	minRing = 256 << 10
	maxRing = 64 << 20
)

// maxBatch is how many bytes of small frames become one record.
const maxBatch = 16 << 10

// segment is one side's, mapped here for writing or, as the peer's, for reading.
type segment struct {
	m        *memory.Map
	base     unsafe.Pointer
	ring     unsafe.Pointer
	size     uint64 // of the ring, a power of two
	shift    int    // its logarithm
	consumed *atomic.Uint64
	sleep    *atomic.Uint32
	wait     *atomic.Uint32
	returned *atomic.Uint64
}

// newSegment makes this side's. The caller closes fd when it has been passed on.
func newSegment(ring int, generation uint64) (s *segment, fd int, err error) {
	m, fd, err := memory.Create("plexus-ring", offData+ring)
	if err != nil {
		return nil, -1, err
	}
	s = view(m, uint64(ring))
	s.u64(offRing).Store(uint64(ring))
	s.u64(offGeneration).Store(generation)
	s.u64(offMagic).Store(magic)
	return s, fd, nil
}

// openSegment maps the peer's, as it was announced.
func openSegment(fd int, ring, generation uint64) (*segment, error) {
	if ring < minRing || ring > maxRing || bits.OnesCount64(ring) != 1 {
		return nil, fmt.Errorf("%w: a ring of %d bytes is announced", ErrPeer, ring)
	}
	m, err := openMemory(fd, offData+int(ring))
	if err != nil {
		return nil, err
	}
	s := view(m, ring)
	if s.u64(offMagic).Load() != magic || s.u64(offRing).Load() != ring || s.u64(offGeneration).Load() != generation {
		m.Unmap()
		return nil, fmt.Errorf("%w: its segment is not the one announced", ErrPeer)
	}
	return s, nil
}

func view(m *memory.Map, ring uint64) *segment {
	s := &segment{m: m, base: unsafe.Pointer(unsafe.SliceData(m.Bytes())), size: ring, shift: bits.TrailingZeros64(ring)}
	s.ring = unsafe.Add(s.base, offData)
	s.consumed, s.returned = s.u64(offConsumed), s.u64(offReturned)
	s.sleep, s.wait = (*atomic.Uint32)(unsafe.Add(s.base, offSleep)), (*atomic.Uint32)(unsafe.Add(s.base, offWait))
	return s
}

func (s *segment) u64(off uintptr) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Add(s.base, off)) }

// head returns the first word of the record at a position.
func (s *segment) head(pos uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(s.ring, pos&(s.size-1)))
}

// lapAt is the upper half of the first word of each record at a position, but for the kind.
func (s *segment) lapAt(pos uint64) uint64 { return pos >> s.shift << 40 }

// zero clears the first word of the record at a position. The plain store becomes visible
// before the atomic one that follows it, and does not wait for the line.
func (s *segment) zero(pos uint64) { *(*uint64)(unsafe.Add(s.ring, pos&(s.size-1))) = 0 }

// bytes returns n bytes of the ring from offset at; the caller has checked both.
func (s *segment) bytes(at, n uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.ring, at)), n)
}

// entry returns the two words of the i-th block given back.
func (s *segment) entry(i uint64) (name, generation *atomic.Uint64) {
	at := uintptr(offEntries + i%maxLent*entrySize)
	return s.u64(at), s.u64(at + 8)
}

// recordSize is what a record of n bytes takes.
func recordSize(n int) uint64 {
	return (uint64(n) + recordHead + recordAlign - 1) &^ (recordAlign - 1)
}

// The largest frame must find room in the smallest ring once all but an unpublished eighth
// has been consumed: what is skipped at the end, itself, and the zeroed head behind it.
const _ = uint(minRing - minRing/8 - 2*(transport.MaxFrame+recordHead+recordAlign) - recordAlign)
