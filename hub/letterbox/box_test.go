// SPDX-License-Identifier: Apache-2.0

package letterbox

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

// disk is a store that takes its time.
type disk struct {
	slow    time.Duration
	err     error
	longest int // payload

	mu      sync.Mutex
	batches [][]byte // first bytes of the payloads
}

func (d *disk) Append(all []*deadletter.Record) error {
	<-time.After(d.slow) // in a bubble
	if d.err != nil {
		return d.err
	}
	var batch []byte
	for _, r := range all {
		if d.longest > 0 && len(r.Payload) > d.longest {
			return status.Errorf(status.TooLarge, "%d bytes", len(r.Payload))
		}
		batch = append(batch, r.Payload[0])
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches = append(d.batches, batch)
	return nil
}
func (*disk) Scan(uint64, func(*deadletter.Record) bool) error { return nil }
func (*disk) Remove([]uint64) (int, error)                     { return 0, nil }

func put(b *Box, n byte, size int, done func(bool)) bool {
	r := &deadletter.Record{Payload: bytes.Repeat([]byte{n}, size)}
	if !b.Reserve(r.Size()) {
		return false
	}
	b.Put(r, r.Size(), done)
	return true
}

// What comes while the disk is busy is one batch, in its order; nobody who puts waits.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{slow: 10 * time.Millisecond}
		b := New(Config{Store: d, Bytes: 1 << 20, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		var told []byte
		put(b, 0, 10, nil)
		synctest.Wait()
		for n := range byte(50) {
			put(b, 1+n, 10, func(kept bool) {
				if kept {
					told = append(told, 1+n)
				}
			})
		}
		if s := b.Stats(); s.Waiting != 51 || s.Kept != 0 {
			t.Errorf("%+v", s)
		}
		b.Flush()
		if len(d.batches) != 2 || len(d.batches[1]) != 50 || !bytes.Equal(told, d.batches[1]) {
			t.Fatalf("%v, told %v", d.batches, told)
		}
		if s := b.Stats(); s.Waiting != 0 || s.Kept != 51 || len(s.Lost) != 0 {
			t.Errorf("%+v", s)
		}
		b.Close()
		if put(b, 1, 1, nil) || b.Stats().Lost[LostClosed] != 1 {
			t.Error("a closed box takes letters")
		}
	})
}

// Every letter is kept or counted as lost, and the bound holds.
func TestBoxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{slow: time.Second}
		b := New(Config{Store: d, Bytes: 100_000, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		taken := 0
		for range 100 {
			if put(b, 1, 9_000, nil) {
				taken++
			}
		}
		b.Flush()
		if s := b.Stats(); taken != 10 || s.Kept != 10 || s.Lost[LostFull] != 90 {
			t.Fatalf("%d taken, %+v", taken, s)
		}
		if !put(b, 1, 9_000, nil) {
			t.Fatal("there is no room although nothing waits")
		}
		b.Flush()
	})
}

// A store that fails loses letters, which is counted and said once a second; afterwards the box goes on.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &disk{err: errors.New("input/output error")}
		b := New(Config{Store: d, Bytes: 1 << 20, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now})
		lost := 0
		for range 20 {
			put(b, 1, 10, func(kept bool) {
				if !kept {
					lost++
				}
			})
			b.Flush()
		}
		if s := b.Stats(); lost != 20 || s.Lost[LostStore] != 20 || s.Kept != 0 {
			t.Fatalf("%d told, %+v", lost, s)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
		d.err = nil
		put(b, 1, 10, nil)
		b.Flush()
		if s := b.Stats(); s.Kept != 1 || !strings.Contains(log.String(), "takes them again") {
			t.Errorf("%+v\n%s", s, log.String())
		}
	})
}

// One letter that is too long takes no others with it.
func TestTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{slow: time.Millisecond, longest: 100}
		b := New(Config{Store: d, Bytes: 1 << 20, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		for n := range byte(10) {
			put(b, n, 10+int(n)/5*int(n)*20, nil) // 5 … 9 are too long
		}
		b.Flush()
		if s := b.Stats(); s.Kept != 5 || s.Lost[LostTooLarge] != 5 {
			t.Errorf("%+v", s)
		}
	})
}
