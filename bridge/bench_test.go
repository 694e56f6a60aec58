// SPDX-License-Identifier: Apache-2.0

package bridge_test

import (
	"testing"

	"github.com/plexus-ipc/plexus"
)

// A call inside one hub, and the same over a bridge to another.
func BenchmarkCall(b *testing.B) {
	west, east := newHouse(b, "west", true), newHouse(b, "east", true)
	alice, beside, bob := west.member("alice"), west.member("beside"), east.member("bob")
	who(b, alice, "c")
	join(b, west, east)
	hasMethod(b, bob, "c", "who")
	for name, c := range map[string]*plexus.Client{"hub": beside, "bridge": bob} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := plexus.Call[string](b.Context(), c.Channel("c"), "who", "x"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
