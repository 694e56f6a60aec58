// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"io"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testPart: a Conn says that it waits for the rest of a frame, and only then.
func testPart(t *testing.T, f *Factory) {
	if !f.has(PartWait) || f.Raw == nil {
		lacks(t, "PartWait", "no PartWait declared, or no Raw")
		return
	}
	t.Run("PartWait/byte by byte", func(t *testing.T) {
		leak.Check(t)
		(&rawBench{TB: t, f: f}).with(func(c transport.Conn, w io.WriteCloser) { partBytes(t, f, c, w) })
	})
}

// partBytes sends frames in bytes, each when the one before is waited behind. Between frames
// nothing is told: the last byte of a frame is not followed by a word.
func partBytes(t *testing.T, f *Factory, c transport.Conn, w io.WriteCloser) {
	parts := make(chan struct{}, 1024)
	c.(transport.PartWaiter).PartWaits(func() { parts <- struct{}{} })
	for k, size := range []int{8, 40, 300} {
		got := make(chan error, 1)
		go func() { got <- expect(c, []int{size}, k) }()
		p := frame(size, k)
		for i := range p {
			for len(parts) > 0 {
				<-parts
			}
			must(t, second(w.Write(p[i:i+1])))
			if i == len(p)-1 {
				break
			}
			select {
			case <-parts:
			case err := <-got:
				t.Fatalf("a frame after %d of %d bytes: %v", i+1, size, err)
			case <-time.After(f.patience()):
				t.Fatalf("nothing was told after %d of %d bytes", i+1, size)
			}
		}
		must(t, <-got)
	}
	for len(parts) > 0 {
		<-parts
	}
	whole := make(chan error, 1)
	go func() { whole <- expect(c, []int{20, 20}, 7) }()
	must(t, second(w.Write(batch([]int{20, 20}, 7))))
	must(t, <-whole)
	if len(parts) > 0 {
		t.Error("a part was told of whole frames")
	}
}

func second[T any](_ T, err error) error { return err }
