// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"fmt"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
)

// streams receive: one at a time.
type streams struct {
	l     *load
	size  int
	pulse *plexus.Duplex[[]byte, []byte]
	ask   []byte
	hist  histogram
}

func newStreams(ctx context.Context, l *load, k report.Case) (*streams, error) {
	d, err := plexus.Open[[]byte, []byte](ctx, l.at, methodPulse)
	if err != nil {
		return nil, err
	}
	return &streams{l: l, size: k.Bytes, pulse: d, ask: request{size: uint32(k.Bytes)}.bytes()}, nil
}

// run implements work: a stream of so many items.
func (s *streams) run(ctx context.Context, count int) error {
	r := request{size: uint32(s.size), count: uint32(count)}
	got := 0
	for item, err := range plexus.Stream[[]byte](ctx, s.l.at, methodStream, r.bytes()) {
		if err != nil {
			return err
		}
		if len(item) != s.size {
			return fmt.Errorf("an item has %d bytes, not %d", len(item), s.size)
		}
		got++
	}
	if got != count {
		return fmt.Errorf("%d items came of %d", got, count)
	}
	return nil
}

// delay implements work: it asks for an item when the last has come.
func (s *streams) delay(ctx context.Context, budget time.Duration) error {
	for until := time.Now().Add(budget); time.Now().Before(until); {
		if err := s.pulse.Send(ctx, s.ask); err != nil {
			return err
		}
		item, err := s.pulse.Recv(ctx)
		if err != nil {
			return err
		}
		if len(item) != s.size {
			return fmt.Errorf("an item has %d bytes, not %d", len(item), s.size)
		}
		s.hist.add(sinceStamp(item))
	}
	return nil
}

// times implements work.
func (s *streams) times() *histogram { return &s.hist }

// reset implements work.
func (s *streams) reset() { s.hist.reset() }

// finish implements work.
func (s *streams) finish() { _ = s.pulse.Close() } // there is nothing more to be said on it
