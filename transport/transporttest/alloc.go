// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"testing"

	"github.com/plexus-ipc/plexus/transport"
)

// testAllocations: where it is declared, sending and receiving allocate nothing.
func testAllocations(t *testing.T, f *Factory) {
	if !f.NoAllocations {
		lacks(t, "allocations", "NoAllocations is not declared")
		return
	}
	if raceEnabled {
		lacks(t, "allocations", "the race detector empties pools at random")
		return
	}
	for _, size := range []int{8, 64, 1000, 4 << 10, 64 << 10} {
		p := frame(size, 1)
		run(t, f, errorf("allocations/%d bytes", size).Error(), func(b *bench) {
			b.noAllocs("Send and Recv", func() error { return b.a.Send(p) })
			if s, ok := b.a.(transport.TrySender); ok {
				b.noAllocs("TrySend and Recv", func() error { return b.tryAll(s, p) })
			}
		})
	}
}

// noAllocs measures one frame from a to b. The first rounds fill the pools.
func (b *bench) noAllocs(what string, send func() error) {
	b.Helper()
	one := func() {
		must(b, send())
		buf, err := b.b.Recv()
		must(b, err)
		buf.Release()
	}
	for range 20 {
		one()
	}
	// A garbage collection in between empties the pools, so the best of some counts.
	best := testing.AllocsPerRun(200, one)
	for range 5 {
		best = min(best, testing.AllocsPerRun(200, one))
	}
	if best != 0 {
		b.Errorf("%s: %v allocations per frame", what, best)
	}
}

func (b *bench) tryAll(s transport.TrySender, p []byte) error {
	n, err := s.TrySend(p)
	if err == nil && n < len(p) {
		return errorf("TrySend took %d of %d bytes on an empty line", n, len(p))
	}
	return err
}
