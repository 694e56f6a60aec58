// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

// TestBefore is the suite over a connection that has not been upgraded.
func TestBefore(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport: shm.New(socket.Unix(), nil),
		Endpoint:  path,
		Abilities: []transporttest.Ability{
			transporttest.TrySend, transporttest.Ready, transporttest.Interrupt, transporttest.Credentials,
			transporttest.RemoteAddress, transporttest.Upgrade, transporttest.PartWait,
		},
		NoAllocations: true,
	})
}

// TestAfter is the suite over shared memory.
func TestAfter(t *testing.T) { after(t, nil) }

// TestSleepers is the same without polling: everybody is woken each time.
func TestSleepers(t *testing.T) { after(t, &shm.Options{Spin: -1, Arenas: 8 << 20}) }

func after(t *testing.T, o *shm.Options) {
	transporttest.Test(t, transporttest.Factory{
		Pair: func(t testing.TB) (a, b transport.Conn) { return pair(t, o) },
		Abilities: []transporttest.Ability{
			transporttest.TrySend, transporttest.Ready, transporttest.Interrupt, transporttest.Credentials,
			transporttest.RemoteAddress, transporttest.Batch, transporttest.Poll, transporttest.Lend,
		},
		NoAllocations: true,
		WholeFrames:   true,
	})
}

// TestNoAllocations: neither lending nor waking up costs memory.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	leak.Check(t)
	a, b := pair(t, &shm.Options{Spin: -1})
	defer func() { _, _ = a.Close(), b.Close() }()
	ready := make(chan struct{})
	go func() {
		for range ready {
			_ = a.Send(offered)
		}
	}()
	defer close(ready)
	none(t, "sleeping", func() {
		ready <- struct{}{}
		f, err := b.Recv()
		check(t, err)
		f.Release()
	})
	frame := make([]byte, 4, 4+transport.MaxDescriptor)
	none(t, "lending", func() {
		block, err := a.(transport.Lender).Lend(100_000)
		check(t, err)
		f := block.Give(frame, 100_000)
		f[0] = byte(len(f))
		check(t, a.Send(f))
		got, err := b.Recv()
		check(t, err)
		k, err := b.(transport.Lender).Borrow(got.Bytes()[4:])
		check(t, err)
		got.Release()
		k.Release()
	})
}

// none runs f and wants no allocation, in the best of some tries: a garbage collection in
// between empties the pools.
func none(t *testing.T, what string, f func()) {
	t.Helper()
	for range 50 {
		f()
	}
	best := testing.AllocsPerRun(100, f)
	for range 5 {
		best = min(best, testing.AllocsPerRun(100, f))
	}
	if best != 0 {
		t.Errorf("%s: %v allocations", what, best)
	}
}
