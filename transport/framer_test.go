// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// testFrame returns a frame of n bytes with a content of its own.
func testFrame(n int, seed byte) []byte {
	p := make([]byte, n)
	binary.LittleEndian.PutUint32(p, uint32(n))
	for i := 4; i < n; i++ {
		p[i] = seed + byte(i*7)
	}
	return p
}

// feed gives p to the framer in parts of at most the sizes that next returns, and calls
// frame for each frame. It returns the error of the framer.
func feed(f *Framer, p []byte, next func() int, frame func(b *Buffer)) error {
	for {
		b, err := f.Next()
		if err != nil {
			return err
		}
		if b != nil {
			frame(b)
			continue
		}
		if len(p) == 0 {
			return nil
		}
		if len(p)%2 == 0 {
			f.Wait()
		} else {
			f.Idle()
		}
		space := f.Space()
		if len(space) == 0 {
			panic("no space")
		}
		n := copy(space[:min(max(next(), 1), len(space))], p)
		f.Filled(n)
		p = p[n:]
	}
}

// split cuts p into frames the slow way, up to the first that is none or not whole.
func split(p []byte) (frames [][]byte, bad bool) {
	for len(p) >= 4 {
		n := int64(binary.LittleEndian.Uint32(p))
		if n < MinFrame || n > MaxFrame {
			return frames, true
		}
		if n > int64(len(p)) {
			break
		}
		frames = append(frames, p[:n])
		p = p[n:]
	}
	return frames, false
}

func TestFramerEveryCut(t *testing.T) {
	p := append(append(testFrame(8, 1), testFrame(21, 2)...), testFrame(9, 3)...)
	for first := 1; first <= len(p); first++ {
		for second := 1; second <= len(p); second++ {
			var f Framer
			var got []byte
			sizes := []int{first, second}
			next := func() int { n := sizes[0]; sizes = append(sizes[1:], len(p)); return n }
			err := feed(&f, p, next, func(b *Buffer) { got = append(got, b.Bytes()...); b.Release() })
			if err != nil || !bytes.Equal(got, p) || f.Partial() {
				t.Fatalf("cut at %d and %d: %v, %v", first, second, got, err)
			}
			f.Close()
		}
	}
}

// TestFramerKeeps: frames that are kept stay intact while others are read, at the seams
// of the chunks, too.
func TestFramerKeeps(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var p []byte
	var want [][]byte
	for i := range 300 {
		fr := testFrame(MinFrame+r.IntN([]int{50, 5000, MaxFrame - MinFrame + 1}[i%3]), byte(i))
		want, p = append(want, fr), append(p, fr...)
	}
	var f Framer
	var kept []*Buffer
	var at []int
	n := 0
	err := feed(&f, p, func() int { return 1 + r.IntN(ChunkSize) }, func(b *Buffer) {
		kept, at = append(kept, b), append(at, n)
		n++
		if len(kept) > 20 {
			i := r.IntN(len(kept))
			if !bytes.Equal(kept[i].Bytes(), want[at[i]]) {
				t.Fatalf("frame %d has changed", at[i])
			}
			kept[i].Release()
			kept, at = append(kept[:i], kept[i+1:]...), append(at[:i], at[i+1:]...)
		}
	})
	if err != nil || n != len(want) {
		t.Fatalf("%d of %d frames, %v", n, len(want), err)
	}
	f.Close()
	for i, b := range kept {
		if !bytes.Equal(b.Bytes(), want[at[i]]) {
			t.Fatalf("frame %d has changed after Close", at[i])
		}
		b.Release()
	}
}

func TestFramerLengths(t *testing.T) {
	for _, n := range []uint32{0, 1, 7, MaxFrame + 1, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		var f Framer
		head := append(binary.LittleEndian.AppendUint32(nil, n), strings.Repeat("x", 100)...)
		f.Filled(copy(f.Space(), head))
		if !f.Ready() {
			t.Errorf("length %d: not Ready for the error", n)
		}
		for range 2 {
			b, err := f.Next()
			var fe *FrameError
			if b != nil || !errors.As(err, &fe) || fe.Length != int64(n) || fe.Limit != MaxFrame || !bytes.Equal(fe.Head, head[:64]) {
				t.Errorf("length %d: %v", n, err)
			}
		}
		f.Close()
	}
}

func TestFramerIdle(t *testing.T) {
	var f Framer
	f.Idle()
	f.Close()
	if f.Partial() || f.Ready() {
		t.Error("the zero Framer has something")
	}
	f.Filled(copy(f.Space(), testFrame(20, 1)[:10]))
	f.Idle()
	if !f.Partial() || f.chunk == nil {
		t.Error("Idle drops a part of a frame")
	}
	f.Filled(copy(f.Space(), testFrame(20, 1)[10:]))
	b, err := f.Next()
	if err != nil || b == nil || f.Partial() {
		t.Fatal(b, err)
	}
	f.Idle()
	if f.chunk != nil {
		t.Error("an empty Framer keeps its chunk")
	}
	if !bytes.Equal(b.Bytes(), testFrame(20, 1)) {
		t.Error("another frame")
	}
	b.Release()
}

// TestFramerAllocations: a steady flow costs no memory.
func TestFramerAllocations(t *testing.T) {
	var f Framer
	p := testFrame(100, 1)
	best := 1.0
	for range 5 {
		best = min(best, testing.AllocsPerRun(100, func() {
			f.Filled(copy(f.Space(), p))
			b, _ := f.Next()
			b.Release()
			f.Idle()
		}))
	}
	if best != 0 && !raceEnabled {
		t.Errorf("%v allocations per frame", best)
	}
}

// FuzzFramer: any byte stream, cut anywhere, gives the frames that split finds, or a
// FrameError after them, and what is kept stays intact.
func FuzzFramer(f *testing.F) {
	good := append(testFrame(8, 1), testFrame(300, 2)...)
	f.Add(good, uint64(1), uint16(7))
	f.Add(append(good, 3, 0, 0, 0, 9, 9), uint64(2), uint16(1))
	f.Add(append(good, good[:200]...), uint64(3), uint16(5000))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint64(4), uint16(3))
	f.Add(append(testFrame(MaxFrame, 5), testFrame(MaxFrame, 6)...), uint64(5), uint16(65535))
	f.Fuzz(func(t *testing.T, p []byte, seed uint64, step uint16) {
		r := rand.New(rand.NewPCG(seed, 0))
		want, bad := split(p)
		var fr Framer
		var got []*Buffer
		err := feed(&fr, p, func() int { return r.IntN(int(step) + 1) }, func(b *Buffer) { got = append(got, b) })
		var fe *FrameError
		if bad != errors.As(err, &fe) || !bad && err != nil {
			t.Fatalf("error %v, want a FrameError: %v", err, bad)
		}
		if len(got) != len(want) {
			t.Fatalf("%d frames, want %d", len(got), len(want))
		}
		fr.Close()
		for i, b := range got {
			if !bytes.Equal(b.Bytes(), want[i]) {
				t.Fatalf("frame %d is another one", i)
			}
			b.Release()
		}
	})
}

// The beginning of a frame costs memory of its own length while its rest is waited for,
// whatever it announces (bug: it kept a chunk of 128 KiB).
func TestFramerWaits(t *testing.T) {
	for _, sent := range []int{1, 3, 4, 40, 1000, shortRest, shortRest + 1, 60 << 10} {
		p := testFrame(MaxFrame, 3)
		var f Framer
		first := testFrame(500, 9)
		f.Filled(copy(f.Space(), append(first, p[:sent]...)))
		b, err := f.Next()
		if err != nil || !bytes.Equal(b.Bytes(), first) {
			t.Fatal(b, err)
		}
		part, gone := f.Wait()
		if held := len(f.chunk.b); !part || gone != (sent <= shortRest) || gone && held > sent {
			t.Errorf("%d bytes sent, %d are held (%v, %v)", sent, held, part, gone)
		}
		for rest := p[sent:]; len(rest) > 0; {
			n := copy(f.Space(), rest)
			f.Filled(n)
			rest = rest[n:]
		}
		got, err := f.Next()
		if err != nil || !bytes.Equal(got.Bytes(), p) || !bytes.Equal(b.Bytes(), first) {
			t.Fatalf("%d bytes sent: another frame came out, %v", sent, err)
		}
		got.Release()
		b.Release()
		if part, gone := f.Wait(); part || !gone || f.chunk != nil {
			t.Error("a chunk is held without need")
		}
	}
}
