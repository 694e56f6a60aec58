// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// pattern is what the content of frames is cut from; it is never written.
var pattern = makePattern()

func makePattern() []byte {
	p := make([]byte, transport.MaxFrame+shifts)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

// shifts is how many different contents a frame of one size can have.
const shifts = 1021

// content is what follows the length word of frame number n.
func content(size, n int) []byte { return pattern[n%shifts:][:size-4] }

// fill makes b a frame whose content is told by its size and n.
func fill(b []byte, n int) []byte {
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	copy(b[4:], content(len(b), n))
	return b
}

// frame returns the frame of a size with number n.
func frame(size, n int) []byte { return fill(make([]byte, size), n) }

// batch returns frames of the given sizes back to back, numbered from first.
func batch(sizes []int, first int) []byte {
	total := 0
	for _, size := range sizes {
		total += size
	}
	p := make([]byte, 0, total)
	for i, size := range sizes {
		p = append(binary.LittleEndian.AppendUint32(p, uint32(size)), content(size, first+i)...)
	}
	return p
}

// everySize lists all small sizes, those around each power of two, and the largest.
func everySize() []int {
	var sizes []int
	for n := transport.MinFrame; n <= 300; n++ {
		sizes = append(sizes, n)
	}
	for p := 512; p <= 64<<10; p *= 2 {
		sizes = append(sizes, p-1, p, p+1)
	}
	return append(sizes, transport.MaxFrame-1, transport.MaxFrame)
}

// mixed returns n sizes, mostly small, the same ones for the same seed.
func mixed(seed uint64, n int) []int {
	r := rand.New(rand.NewPCG(seed, 1))
	sizes := make([]int, n)
	for i := range sizes {
		limit := []int{64, 64, 600, 5000, transport.MaxFrame}[r.IntN(5)]
		sizes[i] = transport.MinFrame + r.IntN(limit-transport.MinFrame+1)
	}
	return sizes
}

// expect receives the frames of the given sizes in order and returns the first failure.
func expect(c transport.Conn, sizes []int, first int) error {
	for i, size := range sizes {
		b, err := c.Recv()
		if err != nil {
			return errorf("frame %d of %d: %w", i, len(sizes), err)
		}
		err = check(b.Bytes(), size, first+i)
		b.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// check compares a received frame with what was sent.
func check(got []byte, size, n int) error {
	if len(got) != size {
		return errorf("frame %d has %d bytes, want %d", n, len(got), size)
	}
	if binary.LittleEndian.Uint32(got) != uint32(size) || !bytes.Equal(got[4:], content(size, n)) {
		return errorf("frame %d of %d bytes has another content", n, size)
	}
	return nil
}

// soon runs f and fails the test if it takes longer than patience. f must end when the
// Conns of the test are closed.
func (b *bench) soon(what string, f func() error) {
	b.Helper()
	b.within(what, b.start(f))
}

// start runs f in a goroutine and returns where its result will be.
func (b *bench) start(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// within waits for a result of start.
func (b *bench) within(what string, done <-chan error) {
	b.Helper()
	if err := b.wait(what, done); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}

func (b *bench) wait(what string, done <-chan error) error {
	b.Helper()
	timer := time.NewTimer(b.f.patience())
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		_, _ = b.a.Close(), b.b.Close()
		b.Fatalf("%s: still not done after %v", what, b.f.patience())
		return nil
	}
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
