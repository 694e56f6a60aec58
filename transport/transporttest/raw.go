// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testRaw: a peer that is no Conn sends whatever it likes, cut wherever it likes.
func testRaw(t *testing.T, f *Factory) {
	if f.Raw == nil {
		lacks(t, "raw", "no Raw declared: there is no byte stream below")
		return
	}
	for name, test := range map[string]func(*rawBench){
		"every cut":    rawCuts,
		"end in frame": rawEnds,
		"bad lengths":  rawLengths,
	} {
		t.Run("raw/"+name, func(t *testing.T) {
			leak.Check(t)
			test(&rawBench{TB: t, f: f})
		})
	}
}

// rawBench makes raw connections one after the other.
type rawBench struct {
	testing.TB
	f *Factory
}

// with runs f with a new connection, which is closed afterwards.
func (r *rawBench) with(f func(c transport.Conn, w io.WriteCloser)) {
	r.Helper()
	c, w := r.f.Raw(r)
	defer func() { _, _ = c.Close(), w.Close() }()
	f(c, w)
}

// rawCuts writes the same frames cut in two at each position: they arrive the same.
func rawCuts(r *rawBench) {
	sizes := []int{8, 13, 30, 9}
	p := batch(sizes, 0)
	r.with(func(c transport.Conn, w io.WriteCloser) {
		for cut := range len(p) {
			written := make(chan error, 1)
			go func() { written <- writeParts(w, p[:cut], p[cut:]) }()
			must(r, expect(c, sizes, 0))
			must(r, <-written)
		}
	})
}

// writeParts gives the reader a chance to see each part alone.
func writeParts(w io.Writer, parts ...[]byte) error {
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
		for range 5 {
			runtime.Gosched()
		}
	}
	return nil
}

// rawEnds ends the stream at each position: cleanly between frames, else not.
func rawEnds(r *rawBench) {
	sizes := []int{8, 20}
	p := batch(sizes, 0)
	for cut := range len(p) + 1 {
		r.with(func(c transport.Conn, w io.WriteCloser) {
			must(r, writeParts(w, p[:cut]))
			must(r, w.Close())
			must(r, endOf(c, p[:cut]))
		})
	}
}

// endOf receives whole frames until the stream ends and checks how.
func endOf(c transport.Conn, sent []byte) error {
	for {
		b, err := c.Recv()
		if err != nil {
			want := io.EOF
			if len(sent) > 0 {
				want = io.ErrUnexpectedEOF
			}
			if err != want {
				return errorf("%v instead of %v with %d bytes of a frame", err, want, len(sent))
			}
			return nil
		}
		if !bytes.HasPrefix(sent, b.Bytes()) {
			b.Release()
			return errors.New("a frame that was not sent")
		}
		sent = sent[b.Len():]
		b.Release()
	}
}

// rawLengths announces impossible lengths after a good frame. The error names length and
// first bytes, comes again, and costs no memory.
func rawLengths(r *rawBench) {
	for _, n := range []uint32{0, 1, 7, transport.MaxFrame + 1, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		r.with(func(c transport.Conn, w io.WriteCloser) {
			must(r, writeParts(w, frame(50, 1)))
			must(r, expect(c, []int{50}, 1))
			must(r, writeParts(w, append(binary.LittleEndian.AppendUint32(nil, n), "GET / HTTP/1.1"...)))
			must(r, wantFrameError(c, n))
			must(r, wantFrameError(c, n))
		})
	}
}

func wantFrameError(c transport.Conn, n uint32) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := recvErr(c)
	runtime.ReadMemStats(&after)
	var fe *transport.FrameError
	switch {
	case !errors.As(err, &fe):
		return errorf("length %d: %v instead of a *FrameError", n, err)
	case fe.Length != int64(n) || len(fe.Head) < 4 || binary.LittleEndian.Uint32(fe.Head) != n:
		return errorf("length %d: the error says %d, %q", n, fe.Length, fe.Head)
	case after.TotalAlloc-before.TotalAlloc > 1<<20:
		return errorf("length %d: %d bytes allocated", n, after.TotalAlloc-before.TotalAlloc)
	}
	return nil
}
