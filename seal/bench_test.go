// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"testing"

	"github.com/plexus-ipc/plexus/codec"
)

// BenchmarkMessage is one message made and opened; bytes is what it is longer than the payload.
func BenchmarkMessage(b *testing.B) {
	w := newWorld(b, X25519, "ann", "bob")
	h := newWorld(b, Hybrid, "ann", "bob")
	for _, c := range []struct {
		name string
		w    *world
		tune func(*Config)
	}{
		{"signed", w, func(c *Config) { c.SignOnly = true }}, {"sealed", w, to("bob")}, {"sealed-hybrid", h, to("bob")},
	} {
		payload := make([]byte, 256)
		raw := func(cfg *Config) { cfg.Inner = codec.Raw{}; c.tune(cfg) }
		out := c.w.codec("ann", raw)
		b.Run(c.name+"/make", func(b *testing.B) {
			b.ReportAllocs()
			var p []byte
			for b.Loop() {
				p, _ = out.Append(p[:0], payload)
			}
			b.ReportMetric(float64(len(p)-len(payload)), "bytes")
		})
		b.Run(c.name+"/open", func(b *testing.B) {
			in := c.w.codec("bob", raw)
			p := appendOne(b, out, payload)
			b.ReportAllocs()
			var got []byte
			for b.Loop() {
				in.seen = seen{}
				if err := in.Decode(p, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/item", func(b *testing.B) {
			asks, answers := c.w.codec("ann", raw).Begin(), c.w.codec("bob", raw).Answer()
			var got []byte
			check(b, answers.Decode(appendOne(b, asks, payload), &got))
			b.ReportAllocs()
			var p []byte
			for b.Loop() {
				p, _ = answers.Append(p[:0], payload)
				if err := asks.Decode(p, &got); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(p)-len(payload)), "bytes")
		})
	}
}
