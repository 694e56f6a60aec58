// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"math/rand/v2"
	"testing"

	"github.com/plexus-ipc/plexus/transport"
)

// testFrames: what is sent arrives, whole, unchanged and in order.
func testFrames(t *testing.T, f *Factory) {
	run(t, f, "every size", func(b *bench) { b.exchange(everySize(), 1) })
	run(t, f, "batches", func(b *bench) { b.exchange(mixed(2, 300), 37) })
	run(t, f, "one large batch", func(b *bench) { b.exchange(mixed(3, 100), 100) })
	run(t, f, "both directions", func(b *bench) {
		back := b.start(func() error { return b.oneWay(b.b, b.a, mixed(5, 300), 10) })
		b.within("a to b", b.start(func() error { return b.oneWay(b.a, b.b, mixed(4, 300), 10) }))
		b.within("b to a", back)
	})
	run(t, f, "ping pong", testPingPong)
	run(t, f, "buffers live on", testBuffers)
}

// exchange sends frames in batches of the given number, first in one direction, then in
// the other.
func (b *bench) exchange(sizes []int, per int) {
	b.soon("a to b", func() error { return b.oneWay(b.a, b.b, sizes, per) })
	b.soon("b to a", func() error { return b.oneWay(b.b, b.a, sizes, per) })
}

func (b *bench) oneWay(from, to transport.Conn, sizes []int, per int) error {
	sent := b.start(func() error {
		for i := 0; i < len(sizes); i += per {
			p := batch(sizes[i:min(i+per, len(sizes))], i)
			if err := from.Send(p); err != nil {
				return err
			}
			clear(p) // Send does not keep it
		}
		return nil
	})
	if err := expect(to, sizes, 0); err != nil {
		return err
	}
	return <-sent
}

// testPingPong lets each frame wait for the one before.
func testPingPong(b *bench) {
	b.soon("ping pong", func() error {
		for i := range 200 {
			for _, way := range [][2]transport.Conn{{b.a, b.b}, {b.b, b.a}} {
				if err := way[0].Send(frame(64+i, i)); err != nil {
					return err
				}
				if err := expect(way[1], []int{64 + i}, i); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// testBuffers keeps frames, and views of them, while more are received.
func testBuffers(b *bench) {
	sizes := mixed(6, 400)
	sent := b.start(func() error { return b.a.Send(batch(sizes, 0)) })
	kept := make(map[int]*transport.Buffer)
	r := rand.New(rand.NewPCG(7, 7))
	b.soon("receive", func() error {
		for i := range sizes {
			buf, err := b.b.Recv()
			if err != nil {
				return err
			}
			kept[i] = buf
			if err := dropSome(kept, sizes, r); err != nil {
				return err
			}
		}
		return nil
	})
	b.within("send", sent)
	for i, buf := range kept {
		must(b, check(buf.Bytes(), sizes[i], i))
		buf.Release()
	}
}

// dropSome checks and releases a few of the kept frames, and replaces others by what
// Compact makes of a view.
func dropSome(kept map[int]*transport.Buffer, sizes []int, r *rand.Rand) error {
	for i, buf := range kept {
		if err := check(buf.Bytes(), sizes[i], i); err != nil {
			return err
		}
		switch r.IntN(8) {
		case 0, 1:
			buf.Release()
			delete(kept, i)
		case 2:
			kept[i] = buf.View(0, buf.Len()).Compact()
			buf.Release()
		}
		if len(kept) < 40 {
			break
		}
	}
	return nil
}
