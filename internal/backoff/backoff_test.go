// SPDX-License-Identifier: Apache-2.0

package backoff

import (
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestDelay(t *testing.T) {
	p := Policy{Floor: 200, Base: 100, Max: 1000}
	most := func(n int64) int64 { return n - 1 }
	least := func(int64) int64 { return 0 }
	for failures, want := range []time.Duration{100, 400, 600, 1000, 1200, 1200} {
		if got := p.delay(failures, most); got != want {
			t.Errorf("after %d failures: at most %d, want %d", failures, got, want)
		}
		floor := time.Duration(200)
		if failures == 0 {
			floor = 0
		}
		if got := p.delay(failures, least); got != floor {
			t.Errorf("after %d failures: at least %d, want %d", failures, got, floor)
		}
	}
	if got := p.delay(1<<40, most); got != 1200 {
		t.Error("many failures:", got)
	}
	if got := (Policy{}).Delay(3); got != 0 {
		t.Error("the zero policy waits", got)
	}
	seen := map[time.Duration]bool{}
	for range 100 {
		seen[p.Delay(5)] = true
	}
	if len(seen) < 10 {
		t.Error("no jitter:", len(seen), "different delays of 100")
	}
}
