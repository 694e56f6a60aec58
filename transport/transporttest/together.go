// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testBatch: RecvBatch brings whole frames, in order, none twice and none left out, in turn
// with Recv.
func testBatch(t *testing.T, f *Factory) {
	if !f.has(Batch) {
		lacks(t, "Batch", "no Batch declared")
		return
	}
	t.Run("Batch", func(t *testing.T) {
		leak.Check(t)
		a, c := f.pair(t)
		b := &bench{TB: t, f: f, a: a, b: c}
		sizes := mixed(21, 400)
		sent := b.start(func() error { return b.a.Send(batch(sizes, 0)) })
		b.soon("receive batches", func() error { return takeBatches(b.b, sizes) })
		b.within("send", sent)
		small := []int{8, 16, 9, 40, 8}
		must(b, b.a.Send(batch(small, 3)))
		b.soon("receive what came together", func() error {
			if err := expect(b.b, small[:1], 3); err != nil {
				return err
			}
			rest, err := b.b.(transport.Batcher).RecvBatch()
			if err != nil {
				return err
			}
			defer rest.Release()
			if n := rest.Len(); n != 16+9+40+8 {
				return errorf("%d bytes in one batch, four frames had come", n)
			}
			return nil
		})
	})
}

// takeBatches receives the frames of the given sizes, every third time by Recv.
func takeBatches(c transport.Conn, sizes []int) error {
	for n, turn := 0, 0; n < len(sizes); turn++ {
		if turn%3 == 2 {
			if err := expect(c, sizes[n:n+1], n); err != nil {
				return err
			}
			n++
			continue
		}
		b, err := c.(transport.Batcher).RecvBatch()
		if err != nil {
			return err
		}
		k, err := checkBatch(b.Bytes(), sizes[n:], n)
		b.Release()
		if err != nil {
			return err
		}
		n += k
	}
	return nil
}

// checkBatch compares frames that lie one after the other and returns how many there are.
func checkBatch(p []byte, sizes []int, first int) (n int, err error) {
	if len(p) == 0 {
		return 0, errors.New("an empty batch")
	}
	for ; len(p) > 0; n++ {
		if n == len(sizes) || len(p) < 4 {
			return n, errorf("%d bytes too many in a batch", len(p))
		}
		size := int(binary.LittleEndian.Uint32(p))
		if size > len(p) {
			return n, errorf("frame %d of %d bytes ends after %d", first+n, size, len(p))
		}
		if err := check(p[:size], sizes[n], first+n); err != nil {
			return n, err
		}
		p = p[size:]
	}
	return n, nil
}
