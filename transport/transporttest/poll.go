// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testPoll: Crowd changes when somebody is woken, never what arrives.
func testPoll(t *testing.T, f *Factory) {
	if !f.has(Poll) {
		lacks(t, "Poll", "no Poll declared")
		return
	}
	t.Run("Poll/crowd", func(t *testing.T) {
		leak.Check(t)
		a, b := f.pair(t)
		pollCrowd(&bench{TB: t, f: f, a: a, b: b})
	})
}

// pollCrowd: the function is asked while Recv waits, and the others do run.
func pollCrowd(b *bench) {
	var asked, ran atomic.Int64
	b.b.(transport.Crowder).Crowd(func() bool { asked.Add(1); return asked.Load()%3 > 0 })
	for i := range 300 {
		got := b.start(func() error { return expect(b.b, []int{40}, i) })
		other := b.start(func() error { ran.Add(1); return b.a.Send(frame(40, i)) })
		b.within("another goroutine", other)
		b.within("frame", got)
	}
	if ran.Load() != 300 {
		b.Fatal("a goroutine did not run")
	}
}
