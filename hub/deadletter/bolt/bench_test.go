// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"fmt"
	"testing"

	"github.com/plexus-ipc/plexus/hub/deadletter"
)

// BenchmarkAppend keeps letters of 200 bytes, so many in a change, each change flushed.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 32, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := Open(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			batch := make([]*deadletter.Record, n)
			b.ResetTimer()
			for range b.N {
				for i := range batch {
					batch[i] = letter(i, 200)
				}
				if err := s.Append(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "letters/s")
		})
	}
}

// BenchmarkScan reads, checks and takes apart 100,000 letters of 200 bytes; Open counts them.
func BenchmarkScan(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	s, err := Open(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	batch := make([]*deadletter.Record, 1000)
	for range n / len(batch) {
		for i := range batch {
			batch[i] = letter(i, 200)
		}
		if err := s.Append(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("scan", func(b *testing.B) {
		for range b.N {
			k := 0
			if err := s.Scan(0, func(*deadletter.Record) bool { k++; return true }); err != nil || k != n {
				b.Fatal(k, err)
			}
		}
	})
	b.Run("page", func(b *testing.B) {
		for range b.N {
			k := 0
			if err := s.Scan(n/2, func(*deadletter.Record) bool { k++; return k < 100 }); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for range b.N {
			s, err := Open(dir, nil)
			if err != nil || s.Report().Records != n {
				b.Fatal(err)
			}
			s.Close()
		}
	})
}
