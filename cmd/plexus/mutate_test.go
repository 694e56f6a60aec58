// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"encoding/binary"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
)

var mutatedFrames = flag.Int("frames", 50_000, "how many spoilt frames TestMutatedFrames has a hub read")

// TestMutatedFrames: a hub that is given frames which were good ones before they were spoilt
// lives, serves everybody else meanwhile, and afterwards has as many descriptors and as much
// memory as before. With -frames=10000000 it takes about ten minutes.
func TestMutatedFrames(t *testing.T) {
	w := newTown(t)
	w.start("^providing ", "provide", "echo/echo", "--", "cat")
	good := w.dial()
	w.works(good)
	script := w.record()
	attack := func(frames int) { w.attack(good, script, frames) }
	attack(*mutatedFrames / 10) // what the hub needs while it is attacked counts as its baseline
	w.settle(good)
	files, memory := w.files(), w.memory()
	before := w.stats(good)

	attack(*mutatedFrames)
	w.settle(good)
	after := w.stats(good)
	t.Logf("the hub has read %d frames of %d sessions: %d KiB before, %d KiB after; %d and %d descriptors; failed calls %v",
		after.Received.Frames-before.Received.Frames, after.SessionsTotal-before.SessionsTotal,
		memory>>10, w.memory()>>10, files, w.files(), after.Calls.Failed)
	if now := w.files(); now > files+2 {
		t.Errorf("the hub has %d descriptors, before it had %d", now, files)
	}
	if now := w.memory(); now > memory+memory/2+16<<20 {
		t.Errorf("the hub has %d KiB, before it had %d", now>>10, memory>>10)
	}
	w.works(good)
}

// stats asks the hub.
func (w *town) stats(c *plexus.Client) operation.HubStats {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	st, err := plexus.Call[operation.HubStats](ctx, c.Channel(operation.Channel), operation.Stats, operation.Empty{})
	if err != nil {
		w.Fatal(err)
	}
	return st
}

// settle waits until the sessions of the attackers are gone.
func (w *town) settle(c *plexus.Client) {
	w.Helper()
	if !poll(func() bool { return w.stats(c).Sessions <= 2 }) {
		w.Fatalf("%d sessions remain", w.stats(c).Sessions)
	}
}

// files counts the hub's descriptors, memory its resident bytes; 0 where the system does not
// tell.
func (w *town) files() int {
	names, _ := os.ReadDir(w.proc("fd"))
	return len(names)
}

func (w *town) memory() int {
	text, _ := os.ReadFile(w.proc("status"))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.Atoi(kib)
	return n << 10
}

func (w *town) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(w.hub.cmd.Process.Pid), name)
}

// script is what a well-behaved client has written: its part of the handshake, and the frames
// that followed.
type script struct {
	opening []byte
	frames  [][]byte
}

// record lets a client do a bit of everything, over a line that is listened to.
func (w *town) record() *script {
	w.Helper()
	path := filepath.Join(w.dir, "tap")
	l, err := net.Listen("unix", path)
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	written := make(chan []byte, 1)
	go func() { written <- tapped(l, filepath.Join(w.dir, "hub")) }()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	c, err := plexus.Dial(ctx, "unix://"+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	w.exercise(ctx, c)
	c.Close()
	var s script
	for rest := <-written; len(rest) >= 4; {
		n := int(binary.LittleEndian.Uint32(rest))
		if n < 8 || n > len(rest) {
			break
		}
		if len(s.opening) == 0 || len(s.frames) == 0 && rest[4] <= authKind {
			s.opening = append(s.opening, rest[:n]...)
		} else {
			s.frames = append(s.frames, rest[:n])
		}
		rest = rest[n:]
	}
	if len(s.frames) < 20 {
		w.Fatalf("%d frames were recorded", len(s.frames))
	}
	return &s
}

// Kinds of frames: wire.KindAuth, the highest of the handshake, and wire.KindBind.
const (
	authKind = 2
	bindKind = 4
)

// tapped passes one connection on to the hub and returns what its client has written.
func tapped(l net.Listener, hub string) (written []byte) {
	c, err := l.Accept()
	if err != nil {
		return nil
	}
	defer c.Close()
	h, err := net.Dial("unix", hub)
	if err != nil {
		return nil
	}
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(c, h); c.Close() })
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		written = append(written, buf[:n]...)
		if _, werr := h.Write(buf[:n]); err != nil || werr != nil {
			break
		}
	}
	h.Close()
	back.Wait()
	return written
}

// exercise does a bit of everything that a client can.
func (w *town) exercise(ctx context.Context, c *plexus.Client) {
	w.Helper()
	ch := c.Channel("tapped")
	must := func(err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	_, err := plexus.Handle(ch, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }, service.WithGroup("g"))
	must(err)
	_, err = plexus.Declare(ch, "news.today", service.WithKeep(3))
	must(err)
	sub, err := plexus.Subscribe[string](ctx, ch, "news.>")
	must(err)
	plexus.On(ch, "double", func(context.Context, int) {})
	for range 3 {
		must(plexus.Publish(ctx, ch, "news.today", "hello"))
		must(plexus.Send(ctx, ch, "double", 3))
		must(plexus.Broadcast(ctx, ch, "double", 3))
		_, err = plexus.Call[int](ctx, ch, "double", 21)
		must(err)
		w.works(c)
	}
	_, err = ch.Members(ctx)
	must(err)
	_, err = ch.Explore(ctx, "")
	must(err)
	must(sub.Close())
}

// attack sends spoilt frames, over several connections at a time, until the hub has read so
// many, while good goes on with its calls.
func (w *town) attack(good *plexus.Client, s *script, frames int) {
	w.Helper()
	enough := w.stats(good).Received.Frames + uint64(frames)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), uint64(frames)))
			for {
				select {
				case <-stop:
					return
				default:
					s.visit(w.dir, rnd)
				}
			}
		})
	}
	for w.stats(good).Received.Frames < enough && !w.Failed() {
		w.works(good)
		select {
		case <-time.After(10 * time.Millisecond):
		case <-w.hub.ended:
			w.Errorf("the hub died:\n%s", w.hub.output())
		}
	}
	close(stop)
	wg.Wait()
}

// visit is one connection: a good handshake, then up to 300 frames.
func (s *script) visit(dir string, rnd *rand.Rand) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(dir, "hub"), Net: "unix"})
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := c.Write(s.opening); err != nil || !welcomed(c) {
		return
	}
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = io.Copy(io.Discard, c) })
	defer reader.Wait()
	defer c.CloseWrite() // the hub reads what was written, and hangs up
	var out []byte
	for i := range 300 {
		frame := s.frames[i%len(s.frames)]
		if i >= len(s.frames)/2 {
			frame = s.frames[rnd.IntN(len(s.frames))]
		}
		out = append(out, s.spoil(frame, rnd)...)
		if len(out) > 8<<10 {
			if _, err := c.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
	}
	_, _ = c.Write(out)
}

// welcomed reads the hub's part of the handshake.
func welcomed(r io.Reader) bool {
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return false
		}
		rest := int64(binary.LittleEndian.Uint32(head[:])) - int64(len(head))
		if _, err := io.CopyN(io.Discard, r, rest); err != nil {
			return false
		}
		if head[4] == authKind {
			return true
		}
	}
}

// spoil returns a frame that mostly differs from a good one, in one thing and with a length
// that is true, so that the hub reads on.
func (s *script) spoil(frame []byte, rnd *rand.Rand) []byte {
	f := append([]byte(nil), frame...)
	if rnd.IntN(4) == 0 || f[4] == bindKind && rnd.IntN(8) != 0 {
		return f // what comes on a route that is not bound ends the session
	}
	at := func(n int) int { return min(n, len(f)-1) }
	switch rnd.IntN(12) {
	case 0: // a kind of its own
		f[at(4)] = byte(rnd.IntN(32))
	case 1: // flags
		f[at(5)] ^= 1 << rnd.IntN(8)
	case 2: // codec, and how long the extensions are
		f[at(6+rnd.IntN(2))] = byte(rnd.IntN(256))
	case 3: // the id of another call
		f[at(8)] = byte(rnd.IntN(16))
	case 4: // another route
		f[at(12)] = byte(rnd.IntN(16))
	case 5: // anything in the header
		f[at(8+rnd.IntN(32))] ^= 1 << rnd.IntN(8)
	case 6: // shorter
		f = f[:8+rnd.IntN(len(f)-7)]
	case 7: // longer
		f = append(f, make([]byte, rnd.IntN(64))...)
	case 8: // the payload of another
		if other := s.frames[rnd.IntN(len(s.frames))]; len(other) > 40 && len(f) > 40 {
			f = append(f[:40], other[40:]...)
		}
	case 9: // as it is, but once more
		f = append(f, f...)
		return f
	default: // bits of the payload
		for range 1 + rnd.IntN(4) {
			f[at(40+rnd.IntN(max(1, len(f)-40)))] ^= 1 << rnd.IntN(8)
		}
	}
	if rnd.IntN(500) == 0 {
		return f // whatever length it has now
	}
	binary.LittleEndian.PutUint32(f, uint32(len(f)))
	return f
}
