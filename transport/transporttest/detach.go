// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"bytes"
	"io"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testDetach: the connection below comes back with every byte that was not received, and
// the Conn lets go of it.
func testDetach(t *testing.T, f *Factory) {
	if !f.has(Detach) {
		lacks(t, "Detach", "no Detach declared")
		return
	}
	for name, test := range map[string]func(*bench){"rest": detachRest, "closed": detachClosed} {
		t.Run("Detach/"+name, func(t *testing.T) {
			leak.Check(t)
			a, b := f.pair(t)
			test(&bench{TB: t, f: f, a: a, b: b})
		})
	}
}

func detachRest(b *bench) {
	p := batch([]int{20, 30, 40}, 0)
	must(b, b.a.Send(p))
	b.soon("first frame", func() error { return expect(b.b, []int{20}, 0) })
	nc, rest, err := b.b.(transport.Detacher).Detach()
	must(b, err)
	defer nc.Close()
	must(b, b.b.Close()) // does nothing any more
	must(b, wantClosed(recvErr(b.b)))
	got := append(make([]byte, 0, len(p)), rest...)
	b.soon("the rest", func() error {
		n := len(got)
		got = got[:len(p)-20]
		_, err := io.ReadFull(nc, got[n:])
		return err
	})
	if !bytes.Equal(got, p[20:]) {
		b.Fatal("other bytes come after the first frame")
	}
	_, err = nc.Write(frame(50, 1))
	must(b, err)
	b.soon("a frame from below", func() error { return expect(b.a, []int{50}, 1) })
}

func detachClosed(b *bench) {
	must(b, b.b.Close())
	if nc, _, err := b.b.(transport.Detacher).Detach(); err == nil {
		nc.Close()
		b.Fatal("a closed Conn can be detached")
	}
}
