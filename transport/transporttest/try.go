// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// tooMuch is more than any transport should have under way.
const tooMuch = 256 << 20

// testTrySend: it takes what fits, never waits, and what is left can follow later.
func testTrySend(t *testing.T, f *Factory) {
	if !f.has(TrySend) {
		lacks(t, "TrySend", "no TrySend declared")
		return
	}
	for _, how := range []string{"TrySend", "Send"} {
		t.Run("TrySend/rest by "+how, func(t *testing.T) {
			leak.Check(t)
			a, b := f.pair(t)
			testPartial(&bench{TB: t, f: f, a: a, b: b}, how == "Send")
		})
	}
	run(t, f, "TrySend/closed", func(b *bench) {
		if s, ok := b.a.(transport.TrySender); ok {
			must(b, b.a.Close())
			if _, err := s.TrySend(frame(8, 0)); err == nil {
				b.Fatal("TrySend works after Close")
			}
		}
	})
}

// testPartial fills the connection until TrySend takes no more, then receives while the
// rest is sent.
func testPartial(b *bench, bySend bool) {
	sizes := mixed(8, 50)
	p := batch(sizes, 0)
	try := b.a.(transport.TrySender)
	batches, n := 0, len(p)
	b.soon("TrySend", func() (err error) {
		for ; n == len(p) && err == nil; batches++ {
			if batches*len(p) > tooMuch {
				return errors.New("TrySend takes everything: it must be bounded")
			}
			n, err = try.TrySend(p)
		}
		return err
	})
	must(b, b.atBoundary(sizes, n))
	received := b.start(func() error {
		for range batches {
			if err := expect(b.b, sizes, 0); err != nil {
				return err
			}
		}
		return nil
	})
	b.soon("rest", func() error { return sendRest(b.a, p[n:], bySend) })
	b.within("receive", received)
}

// atBoundary checks that n bytes end with a frame where that is declared.
func (b *bench) atBoundary(sizes []int, n int) error {
	if !b.f.WholeFrames {
		return nil
	}
	for _, size := range sizes {
		if n <= 0 {
			break
		}
		n -= size
	}
	if n != 0 {
		return errors.New("TrySend stopped inside a frame")
	}
	return nil
}

// sendRest sends the rest of a batch, which may begin inside a frame.
func sendRest(c transport.Conn, rest []byte, bySend bool) error {
	if bySend {
		return c.Send(rest)
	}
	for len(rest) > 0 {
		n, err := c.(transport.TrySender).TrySend(rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// testReady: it is true exactly if a frame is there already.
func testReady(t *testing.T, f *Factory) {
	if !f.has(Ready) {
		lacks(t, "Ready", "no Ready declared")
		return
	}
	t.Run("Ready", func(t *testing.T) {
		leak.Check(t)
		a, c := f.pair(t)
		b := &bench{TB: t, f: f, a: a, b: c}
		for round := range 50 {
			b.readyRound(round)
		}
	})
}

// readyRound sends some small frames at once. The first Recv has them all; Ready counts
// the rest down to none.
func (b *bench) readyRound(round int) {
	sizes := []int{8, 16, 9, 40, 8}
	ready := b.b.(transport.Readier)
	if ready.Ready() {
		b.Fatal("Ready before anything was sent")
	}
	must(b, b.a.Send(batch(sizes, round)))
	for i := range sizes {
		if i > 0 && !ready.Ready() {
			b.Fatalf("not Ready with %d frames to come", len(sizes)-i)
		}
		b.soon("receive", func() error { return expect(b.b, sizes[i:i+1], round+i) })
	}
	if ready.Ready() {
		b.Fatal("Ready after the last frame")
	}
}
