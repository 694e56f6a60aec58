// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

// TestLendAndClose: blocks are lent, given, borrowed, read and released by many goroutines
// while both ends close. The race detector and the memory management unit look on.
func TestLendAndClose(t *testing.T) {
	leak.Check(t)
	for i := range 20 {
		a, b := pair(t, lifeOptions)
		descriptors := make(chan []byte, 64)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { lendOn(t, a.(transport.Lender), descriptors) })
		}
		var borrowers sync.WaitGroup
		for range 4 {
			borrowers.Go(func() { borrowOn(t, b.(transport.Lender), descriptors) })
		}
		eventually(t, "blocks are under way", func() bool { return arenas(t) > 0 })
		ends := []transport.Conn{a, b}
		check(t, ends[i%2].Close())
		check(t, ends[1-i%2].Close())
		all.Wait()
		close(descriptors)
		borrowers.Wait()
	}
}

func lendOn(t *testing.T, l transport.Lender, descriptors chan<- []byte) {
	for n := 1; ; n++ {
		b, err := l.Lend(n * 1000 % 100_000)
		if errors.Is(err, transport.ErrNoBlock) {
			select { // the peer may have gone first: then there will never be one
			case descriptors <- nil:
			default:
			}
			b, err = l.Lend(1)
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, transport.ErrNoBlock):
			continue
		case err != nil:
			t.Error(err)
			return
		}
		p := b.Bytes()
		p[0], p[len(p)-1] = 7, 7
		if n%5 == 0 {
			b.Drop()
			continue
		}
		select {
		case descriptors <- b.Give(nil, len(p)):
		default: // full: this one is lost, and comes back with the end
		}
	}
}

func borrowOn(t *testing.T, l transport.Lender, descriptors <-chan []byte) {
	for d := range descriptors {
		if d == nil {
			continue
		}
		b, err := l.Borrow(d)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && !typed(err) {
				t.Error(err)
			}
			continue
		}
		p := b.Bytes()
		if p[0] != 7 || p[len(p)-1] != 7 {
			t.Error("a block has another content")
		}
		b.Release()
	}
}

// TestDescriptors: each number of a descriptor is looked at before a block is touched.
func TestDescriptors(t *testing.T) {
	leak.Check(t)
	a, b := pair(t, nil)
	defer func() { _, _ = a.Close(), b.Close() }()
	block, err := a.(transport.Lender).Lend(100)
	check(t, err)
	good := block.Give(nil, 100)
	l := b.(transport.Lender)
	for name, c := range map[string]struct {
		at int
		to uint64
	}{
		"arena":            {0, uint64(binary.LittleEndian.Uint32(good)) + 1},
		"block":            {4, 1 << 20},
		"generation after": {8, 2},
		"generation zero":  {8, 0},
		"reserved":         {12, 1},
		"nothing":          {16, 0},
		"beyond the block": {16, 16<<10 + 1},
		"beyond all":       {16, 1 << 40},
		"negative":         {16, 1 << 63},
	} {
		d := bytes.Clone(good)
		if c.at == 16 {
			binary.LittleEndian.PutUint64(d[16:], c.to)
		} else {
			binary.LittleEndian.PutUint32(d[c.at:], uint32(c.to))
		}
		if _, err := l.Borrow(d); !errors.Is(err, shm.ErrPeer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k, err := l.Borrow(good)
	check(t, err)
	k.Release()
}
