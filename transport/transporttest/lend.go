// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testLend: what the lender writes is what the borrower reads in place; a block is used
// again only after it has come back; liars are told.
func testLend(t *testing.T, f *Factory) {
	if !f.has(Lend) {
		lacks(t, "Lend", "no Lend declared")
		return
	}
	for name, test := range map[string]func(*bench){
		"sizes":       lendSizes,
		"many":        lendMany,
		"bounded":     lendBounded,
		"drop":        lendDrop,
		"both ways":   lendBoth,
		"closed":      lendClosed,
		"outlives":    lendOutlives,
		"descriptors": lendDescriptors,
	} {
		t.Run("Lend/"+name, func(t *testing.T) {
			leak.Check(t)
			a, b := f.pair(t)
			test(&bench{TB: t, f: f, a: a, b: b})
		})
	}
}

// lent fills a block of n bytes with number i and sends a frame whose content is the
// descriptor.
func lent(c transport.Conn, n, i int) error {
	block, err := c.(transport.Lender).Lend(n)
	if err != nil {
		return err
	}
	if len(block.Bytes()) != n {
		return errorf("a block of %d bytes instead of %d", len(block.Bytes()), n)
	}
	stamp(block.Bytes(), i)
	p := make([]byte, 4, 4+transport.MaxDescriptor)
	p = block.Give(p, n)
	if len(p) > 4+transport.MaxDescriptor {
		return errorf("a descriptor of %d bytes", len(p)-4)
	}
	p[0] = byte(len(p))
	return c.Send(p)
}

// stamp writes a pattern that depends on i at the ends and here and there.
func stamp(b []byte, i int) {
	for at := 0; at < len(b); at += 4093 {
		b[at] = byte(i + at)
	}
	b[len(b)-1] = byte(i)
}

// borrowed receives a frame and returns the block that it describes.
func borrowed(c transport.Conn) (*transport.Buffer, error) {
	f, err := c.Recv()
	if err != nil {
		return nil, err
	}
	defer f.Release()
	return c.(transport.Lender).Borrow(f.Bytes()[4:])
}

// returned receives, checks and releases a block.
func returned(c transport.Conn, n, i int) error {
	b, err := borrowed(c)
	if err != nil {
		return err
	}
	defer b.Release()
	want := make([]byte, n)
	copy(want, b.Bytes())
	stamp(want, i)
	switch {
	case !b.Foreign():
		return errors.New("a borrowed Buffer is not Foreign")
	case b.Len() != n || !bytes.Equal(want, b.Bytes()):
		return errorf("block %d has another content", i)
	}
	return nil
}

// pass lends one block from one end to the other and back home.
func pass(from, to transport.Conn, n, i int) error {
	if err := lent(from, n, i); err != nil {
		return err
	}
	return returned(to, n, i)
}

func lendSizes(b *bench) {
	for i, n := range []int{1, 100, 16 << 10, 16<<10 + 1, 100_000, 1 << 20, 1<<20 + 1, 5 << 20} {
		b.soon("pass", func() error { return pass(b.a, b.b, n, i) })
	}
	for _, n := range []int{0, -1, 1 << 40} {
		if _, err := b.a.(transport.Lender).Lend(n); !errors.Is(err, transport.ErrNoBlock) {
			b.Errorf("%d bytes: %v instead of ErrNoBlock", n, err)
		}
	}
}

// lendMany keeps several under way; released out of order, all come back.
func lendMany(b *bench) {
	const n = 20_000
	b.soon("many", func() error {
		for round := range 100 {
			var kept []*transport.Buffer
			for i := range 10 {
				if err := lent(b.a, n, round+i); err != nil {
					return errorf("round %d, block %d: %w", round, i, err)
				}
			}
			for range 10 {
				k, err := borrowed(b.b)
				if err != nil {
					return err
				}
				kept = append(kept, k)
			}
			for i, k := range kept {
				v := k.View(0, 1)
				k.Release()
				if v.Bytes()[0] != byte(round+i) || !v.Foreign() {
					return errorf("a view of block %d has another content", i)
				}
				v.Release()
			}
		}
		return nil
	})
}

// lendBounded never releases: at some time there is no block any more; then all come back.
func lendBounded(b *bench) {
	const n = 1 << 20
	var kept []*transport.Buffer
	b.soon("until none is left", func() error {
		for {
			err := lent(b.a, n, len(kept))
			if errors.Is(err, transport.ErrNoBlock) {
				return nil
			}
			if err != nil {
				return err
			}
			k, err := borrowed(b.b)
			if err != nil {
				return err
			}
			if kept = append(kept, k); len(kept) > 1<<12 {
				return errors.New("lending has no bound")
			}
		}
	})
	for _, k := range kept {
		k.Release()
	}
	for i := range kept {
		b.soon("again", func() error { return pass(b.a, b.b, n, i) })
	}
}

// lendDrop gives blocks back that were never sent.
func lendDrop(b *bench) {
	l := b.a.(transport.Lender)
	for i := range 1000 {
		block, err := l.Lend(1 << 20)
		must(b, err)
		block.Bytes()[1<<20-1] = 1
		if i%2 == 0 {
			block.Give(nil, 1<<20)
		}
		block.Drop()
	}
	b.soon("pass", func() error { return pass(b.a, b.b, 1<<20, 1) })
}

func lendBoth(b *bench) {
	back := b.start(func() error { return lendStream(b.b, 200) })
	forth := b.start(func() error { return lendStream(b.a, 200) })
	b.soon("a", func() error { return returnStream(b.a, 200) })
	b.soon("b", func() error { return returnStream(b.b, 200) })
	b.within("b to a", back)
	b.within("a to b", forth)
}

// lendStream sends what can be lent as blocks and says so if it cannot be.
func lendStream(c transport.Conn, count int) error {
	for i := range count {
		err := lent(c, 30_000, i)
		if errors.Is(err, transport.ErrNoBlock) {
			err = c.Send(frame(8, i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func returnStream(c transport.Conn, count int) error {
	for range count {
		f, err := c.Recv()
		if err != nil {
			return err
		}
		if f.Len() > 8 {
			b, err := c.(transport.Lender).Borrow(f.Bytes()[4:])
			if err != nil {
				return err
			}
			b.Release()
		}
		f.Release()
	}
	return nil
}

func lendClosed(b *bench) {
	l := b.a.(transport.Lender)
	held, err := l.Lend(20_000)
	must(b, err)
	given, err := l.Lend(20_000)
	must(b, err)
	given.Give(nil, 20_000)
	must(b, b.a.Close())
	stamp(held.Bytes(), 1) // it is still memory
	held.Drop()
	if _, err := l.Lend(20_000); !errors.Is(err, transport.ErrNoBlock) {
		must(b, wantClosed(err))
	}
	_, err = l.Borrow(make([]byte, transport.MaxDescriptor))
	must(b, wantClosed(err))
}

// lendOutlives: what was borrowed can be read after both ends have gone.
func lendOutlives(b *bench) {
	must(b, lent(b.a, 1<<20, 3))
	k, err := borrowed(b.b)
	must(b, err)
	must(b, b.a.Close())
	must(b, b.b.Close())
	want := bytes.Clone(k.Bytes())
	stamp(want, 3)
	if !bytes.Equal(want, k.Bytes()) {
		b.Fatal("another content after the end")
	}
	k.Release()
}

// lendDescriptors: a descriptor counts once, and only as it was given.
func lendDescriptors(b *bench) {
	must(b, lent(b.a, 20_000, 3))
	f, err := b.b.Recv()
	must(b, err)
	defer f.Release()
	l := b.b.(transport.Lender)
	d := f.Bytes()[4:]
	k, err := l.Borrow(d)
	must(b, err)
	defer k.Release()
	if k, err := l.Borrow(d); err == nil {
		k.Release()
		b.Error("a block was borrowed twice")
	}
	for _, bad := range [][]byte{nil, d[:len(d)-1], append(bytes.Clone(d), 0), bytes.Repeat([]byte{0xff}, len(d))} {
		if k, err := l.Borrow(bad); err == nil {
			k.Release()
			b.Errorf("descriptor %x was accepted", bad)
		}
	}
}
