// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// Buffer is the only owner of message bytes between a Conn and whoever takes the message
// in the end. It is reference counted: whoever gets one holds one reference and gives it
// back with Release; Retain adds one. The bytes are read-only once the Buffer is shared.
// Retain, Release and Bytes may be called from any goroutine that holds a reference.
//
// A Buffer is a block of a size class, pooled; or a view of a part of another; or memory of
// somebody else's (ForeignBuffer).
type Buffer struct {
	b      []byte
	refs   atomic.Int32
	class  int8
	parent *Buffer // of a view; nil for a block

	owner Reclaimer // of memory that is not ours; nil for all other
	token uint64    // what owner knows it by
}

const (
	smallestClass = 8  // 256 B
	largestClass  = 17 // 128 KiB = ChunkSize
	unpooled      = -1
)

// The pools are the package's only state: memory that may be used again, nothing else.
var (
	blocks [largestClass - smallestClass + 1]sync.Pool
	views  = sync.Pool{New: func() any { return new(Buffer) }}
)

// NewBuffer returns a Buffer of n bytes with one reference. The bytes are not zeroed.
func NewBuffer(n int) *Buffer {
	class := classOf(n)
	if class == unpooled {
		b := &Buffer{b: make([]byte, n), class: unpooled}
		b.refs.Store(1)
		return b
	}
	b, _ := blocks[class-smallestClass].Get().(*Buffer)
	if b == nil {
		b = &Buffer{b: make([]byte, 1<<class), class: class}
	}
	b.b = b.b[:n]
	b.refs.Store(1)
	return b
}

// CopyBuffer returns a new Buffer that holds a copy of p.
func CopyBuffer(p []byte) *Buffer {
	b := NewBuffer(len(p))
	copy(b.b, p)
	return b
}

func classOf(n int) int8 {
	class := max(bits.Len(uint(max(n, 1)-1)), smallestClass)
	if class > largestClass {
		return unpooled
	}
	return int8(class)
}

// Bytes returns the content, valid until the caller's reference is released.
func (b *Buffer) Bytes() []byte { return b.b }

// Len returns the number of bytes.
func (b *Buffer) Len() int { return len(b.b) }

// Retain adds a reference and returns b.
func (b *Buffer) Retain() *Buffer {
	if b.refs.Add(1) < 2 {
		panic("transport: Buffer retained after its release")
	}
	return b
}

// Release gives a reference back; the last one returns the memory to its pool. A Buffer
// released too often panics: it is a bug of the caller, no peer can cause it.
func (b *Buffer) Release() {
	n := b.refs.Add(-1)
	if n > 0 {
		return
	}
	if n < 0 {
		panic("transport: Buffer released twice")
	}
	switch {
	case b.parent != nil:
		p := b.parent
		b.parent, b.b = nil, nil
		views.Put(b)
		p.Release()
	case b.owner != nil:
		owner, token := b.owner, b.token
		b.owner, b.b = nil, nil
		views.Put(b)
		owner.Reclaim(token)
	case b.class != unpooled:
		b.b = b.b[:cap(b.b)]
		blocks[b.class-smallestClass].Put(b)
	}
}

// View returns a Buffer over the bytes i to j of b, sharing memory. It holds a reference
// of its own to b, so that b's bytes stay as long as any view does.
func (b *Buffer) View(i, j int) *Buffer {
	p := b
	if b.parent != nil {
		p = b.parent
	}
	v := views.Get().(*Buffer)
	v.b = b.b[i:j:j]
	v.parent = p.Retain()
	v.class = unpooled
	v.refs.Store(1)
	return v
}

// Compact returns a Buffer with the same bytes that does not keep much more memory alive
// than they need, and takes over the caller's reference to b: a small view of a large
// chunk is copied, and so is foreign memory; anything else is returned as it is. Whoever
// stores a Buffer for an unknown time compacts it first.
func (b *Buffer) Compact() *Buffer {
	if !b.Foreign() && (b.parent == nil || len(b.b)*4 >= cap(b.parent.b)) {
		return b
	}
	c := CopyBuffer(b.b)
	b.Release()
	return c
}

// Private reports whether the caller holds the only reference to memory that is the heap's
// alone: it may keep the bytes for good, if it releases the Buffer as always.
func (b *Buffer) Private() bool {
	return b.class == unpooled && b.parent == nil && b.owner == nil && b.sole()
}

// sole reports whether the caller holds the only reference, so that it may write again.
func (b *Buffer) sole() bool { return b.refs.Load() == 1 }

// WrapBuffer returns a Buffer that owns p, with one reference. p is not pooled afterwards.
func WrapBuffer(p []byte) *Buffer {
	b := &Buffer{b: p, class: unpooled}
	b.refs.Store(1)
	return b
}
