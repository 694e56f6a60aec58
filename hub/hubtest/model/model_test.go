// SPDX-License-Identifier: Apache-2.0

package model

import (
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/plexus-ipc/plexus/hub/hubtest"
)

// TestMain sets what rapid does if nobody says otherwise: some ten seconds of it.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "40", "rapid.steps": "60", "rapid.nofailfile": "true", "rapid.shrinktime": "20s"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	hubtest.Main(m)
}

// TestHub has random members do random things.
func TestHub(t *testing.T) {
	seen := map[string]uint64{}
	defer func() { t.Logf("what has come up: %v", seen) }()
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t)
			for i := range rapid.IntRange(4, most).Draw(t, "members") {
				w.attach(fmt.Sprintf("m%d", i))
			}
			for range 6 { // something to begin with
				w.provide(t)
				w.declare(t)
				w.subscribe(t)
			}
			t.Repeat(w.actions())
			st := w.h.Status()
			for name, n := range st.Dropped {
				seen["dropped "+name] += n
			}
			seen["calls"] += st.Calls
			seen["events"] += st.Events
			seen["publications delivered"] += st.Delivered
		})
	})
}
