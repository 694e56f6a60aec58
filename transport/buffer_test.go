// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestBufferSizes(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 4096, MaxFrame, ChunkSize - 1, ChunkSize, ChunkSize + 1, 1 << 20} {
		for range 3 { // a pooled one comes back with another length
			b := NewBuffer(n)
			if b.Len() != n || len(b.Bytes()) != n {
				t.Errorf("NewBuffer(%d) has %d bytes", n, b.Len())
			}
			b.Release()
		}
	}
}

func TestCopyBuffer(t *testing.T) {
	p := []byte("hello")
	b := CopyBuffer(p)
	p[0] = 'x'
	if string(b.Bytes()) != "hello" {
		t.Error("CopyBuffer shares memory")
	}
	b.Release()
	w := WrapBuffer(p)
	if &w.Bytes()[0] != &p[0] {
		t.Error("WrapBuffer copies")
	}
	w.Release()
}

// TestViews: a view keeps the bytes as long as it lives, views of views as well.
func TestViews(t *testing.T) {
	b := NewBuffer(1000)
	for i := range b.Bytes() {
		b.Bytes()[i] = byte(i)
	}
	v := b.View(100, 200)
	w := v.View(10, 20)
	if cap(v.Bytes()) != 100 {
		t.Error("an append to a view would write into its neighbour")
	}
	b.Release()
	v.Release()
	other := NewBuffer(1000) // must not be the memory of w
	clear(other.Bytes())
	if !bytes.Equal(w.Bytes(), []byte{110, 111, 112, 113, 114, 115, 116, 117, 118, 119}) {
		t.Error("the view has lost its bytes:", w.Bytes())
	}
	w.Release()
	other.Release()
}

func TestCompact(t *testing.T) {
	chunk := NewBuffer(ChunkSize)
	small := chunk.View(0, 100)
	if c := small.Compact(); c == small || c.Len() != 100 || c.parent != nil {
		t.Error("a small view of a large chunk is not copied")
	} else {
		c.Release()
	}
	large := chunk.View(0, ChunkSize/2)
	if c := large.Compact(); c != large {
		t.Error("a large view is copied")
	}
	large.Release()
	if !chunk.sole() {
		t.Error("Compact does not give its reference back")
	}
	if c := chunk.Compact(); c != chunk {
		t.Error("a block is copied")
	}
	chunk.Release()
}

func TestReleaseTwice(t *testing.T) {
	for name, misuse := range map[string]func(b *Buffer){
		"release": (*Buffer).Release,
		"retain":  func(b *Buffer) { b.Retain() },
	} {
		t.Run(name, func(t *testing.T) {
			b := &Buffer{b: make([]byte, 8), class: unpooled} // no pool: nobody else must get it
			b.refs.Store(1)
			b.Release()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse(b)
		})
	}
}

// TestBufferShared: many goroutines retain, look and release.
func TestBufferShared(t *testing.T) {
	want := bytes.Repeat([]byte("abcd"), 500)
	b := CopyBuffer(want)
	var all sync.WaitGroup
	for range 8 {
		b.Retain()
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for range 200 {
				i := r.IntN(len(want))
				v := b.View(i, len(want))
				if !bytes.Equal(v.Bytes(), want[i:]) {
					t.Error("another content")
				}
				v.Release()
			}
			b.Release()
		})
	}
	all.Wait()
	if !b.sole() {
		t.Error("references are left")
	}
	b.Release()
}

type owner struct{ tokens []uint64 }

func (o *owner) Reclaim(token uint64) { o.tokens = append(o.tokens, token) }

// Foreign memory goes back once, when the last view of it has gone, and what is kept of it
// is a copy.
func TestForeignBuffer(t *testing.T) {
	o := new(owner)
	b := ForeignBuffer([]byte("0123456789"), o, 7)
	v := b.View(2, 5)
	if !b.Foreign() || !v.Foreign() || CopyBuffer(nil).Foreign() {
		t.Error("Foreign tells the wrong ones")
	}
	b.Release()
	if len(o.tokens) != 0 {
		t.Fatal("given back under a view")
	}
	kept := v.Compact()
	if len(o.tokens) != 1 || o.tokens[0] != 7 {
		t.Errorf("reclaimed %v, want [7]", o.tokens)
	}
	if kept.Foreign() || string(kept.Bytes()) != "234" {
		t.Errorf("kept %q, foreign %v", kept.Bytes(), kept.Foreign())
	}
	kept.Release()
}
