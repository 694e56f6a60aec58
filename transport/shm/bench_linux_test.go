// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

func newFrame(n int) []byte {
	return binary.LittleEndian.AppendUint32(make([]byte, 0, n), uint32(n))[:n]
}

// must is check without Helper, which takes longer than what is measured.
func must(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRoundTrip is one frame there and back between two processes.
func BenchmarkRoundTrip(b *testing.B) {
	for name, n := range map[string]int{"64B": 64, "1KiB": 1 << 10, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			p := spawn(b, "echo", nil)
			defer p.leave(b)
			f := newFrame(n)
			timed(b, func() {
				must(b, p.conn.Send(f))
				buf, err := p.conn.Recv()
				must(b, err)
				buf.Release()
			})
		})
	}
}

// BenchmarkCold is the same with both sides asleep each time.
func BenchmarkCold(b *testing.B) {
	p := spawn(b, "cold", &shm.Options{Spin: -1})
	defer p.leave(b)
	f := newFrame(64)
	timed(b, func() {
		must(b, p.conn.Send(f))
		buf, err := p.conn.Recv()
		must(b, err)
		buf.Release()
	})
}

// timed runs f and reports the median beside the mean.
func timed(b *testing.B, f func()) {
	for range 1000 {
		f()
	}
	all := make([]time.Duration, 0, 1<<20)
	b.ReportAllocs()
	last := time.Now()
	for b.Loop() {
		f()
		if now := time.Now(); len(all) < cap(all) {
			all = append(all, now.Sub(last))
			last = now
		}
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
}

// BenchmarkStream is batches of 64-byte frames one way, to another process.
func BenchmarkStream(b *testing.B) {
	p := spawn(b, "sink", nil)
	defer p.leave(b)
	batch := make([]byte, 0, 32<<10)
	for len(batch) < cap(batch) {
		batch = append(batch, newFrame(64)...)
	}
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		must(b, p.conn.Send(batch))
	}
	must(b, p.conn.Send(newFrame(8)))
	buf, err := p.conn.Recv()
	must(b, err)
	buf.Release()
	b.ReportMetric(float64(b.N)*float64(len(batch)/64)/b.Elapsed().Seconds()/1e6, "Mframes/s")
}

// BenchmarkLarge passes 1 MiB and waits for an answer: copied in frames of 64 KiB, or lent,
// filled and read in place.
func BenchmarkLarge(b *testing.B) {
	const n = 1 << 20
	b.Run("copied", func(b *testing.B) {
		p := spawn(b, "sink", nil)
		defer p.leave(b)
		var all []byte
		for range n / (64 << 10) {
			all = append(all, newFrame(64<<10)...)
		}
		all = append(all, newFrame(8)...)
		b.SetBytes(n)
		timed(b, func() {
			must(b, p.conn.Send(all))
			buf, err := p.conn.Recv()
			must(b, err)
			buf.Release()
		})
	})
	b.Run("lent", func(b *testing.B) {
		p := spawn(b, "borrow", nil)
		defer p.leave(b)
		src := make([]byte, n)
		frame := make([]byte, 4, 4+transport.MaxDescriptor)
		b.SetBytes(n)
		timed(b, func() {
			block, err := p.conn.(transport.Lender).Lend(n)
			must(b, err)
			copy(block.Bytes(), src)
			f := block.Give(frame, n)
			f[0] = byte(len(f))
			must(b, p.conn.Send(f))
			buf, err := p.conn.Recv()
			must(b, err)
			buf.Release()
		})
	})
}

// BenchmarkOneCore is Send and then Recv on one goroutine: what both cost without any
// waiting.
func BenchmarkOneCore(b *testing.B) {
	x, y := pair(b, nil)
	defer func() { _, _ = x.Close(), y.Close() }()
	f := newFrame(64)
	b.ReportAllocs()
	for b.Loop() {
		must(b, x.Send(f))
		buf, err := y.Recv()
		must(b, err)
		buf.Release()
	}
}
