// SPDX-License-Identifier: Apache-2.0

package spin_test

import (
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/internal/spin"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Both come back, and neither allocates.
func TestReturns(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { spin.Pause(); spin.Yield() }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		spin.Pause()
	}
}

func BenchmarkYield(b *testing.B) {
	for b.Loop() {
		spin.Yield()
	}
}
