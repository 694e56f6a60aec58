// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

var kills = flag.Int("kills", 200, "how many processes TestKilled kills")

// lifeOptions make everything happen often: full rings, arenas that come and go, sleep.
var lifeOptions = &shm.Options{Arenas: 4 << 20, Spin: 5 * time.Microsecond, Idle: 5 * time.Millisecond}

// The fifth byte of a frame of a life.
const (
	lifeFrame = 1 // the sixth byte is repeated to the end
	lifeBlock = 2 // a descriptor follows the eighth byte; the block begins with the sixth
)

// errContent is what a scribbler may cause, and nobody else.
var errContent = errors.New("another content than was sent")

// seen counts what was received, by the fifth byte.
var seen [lifeBlock + 1]atomic.Int64

// life sends and receives all kinds of things until the other end is gone. Its error is
// that of an end that is not clean, or of content that is not as it was sent.
func life(c transport.Conn) error {
	var both sync.WaitGroup
	both.Go(func() { lifeSend(c) })
	err := lifeReceive(c)
	_ = c.Close()
	both.Wait()
	if err == io.EOF {
		return nil
	}
	return err
}

func lifeSend(c transport.Conn) {
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for {
		var p []byte
		switch r.IntN(10) {
		case 0, 1:
			p = lifeLent(c, r)
		case 2:
			p = lifeOne(r, 1000+r.IntN(transport.MaxFrame-1000))
		default:
			for range 1 + r.IntN(20) {
				p = append(p, lifeOne(r, 8+r.IntN(300))...)
			}
		}
		if c.Send(p) != nil {
			return
		}
	}
}

func lifeOne(r *rand.Rand, n int) []byte {
	p := newFrame(n)
	p[4] = lifeFrame
	for i, x := 5, byte(r.Uint32()); i < n; i++ {
		p[i] = x
	}
	return p
}

// lifeLent returns a frame with a block, or none if there is no block now.
func lifeLent(c transport.Conn, r *rand.Rand) []byte {
	b, err := c.(transport.Lender).Lend(1 + r.IntN(300_000))
	if err != nil {
		return lifeOne(r, 8)
	}
	if r.IntN(4) == 0 {
		b.Drop()
		return lifeOne(r, 8)
	}
	x := byte(r.Uint32())
	for i := 0; i < len(b.Bytes()); i += 1000 {
		b.Bytes()[i] = x
	}
	p := b.Give([]byte{0, 0, 0, 0, lifeBlock, x, 0, 0}, len(b.Bytes()))
	p[0] = byte(len(p))
	return p
}

func lifeReceive(c transport.Conn) error {
	var kept []*transport.Buffer
	defer func() {
		for _, b := range kept {
			b.Release()
		}
	}()
	for {
		f, err := c.Recv()
		if err != nil {
			return err
		}
		b, err := lifeLook(c, f)
		f.Release()
		if err != nil {
			return err
		}
		if b != nil {
			kept = append(kept, b)
		}
		if len(kept) > 5 {
			kept[0].Release()
			kept = kept[1:]
		}
	}
}

// lifeLook checks a frame and returns the block that came with it.
func lifeLook(c transport.Conn, f *transport.Buffer) (*transport.Buffer, error) {
	p := f.Bytes()
	seen[p[4]].Add(1)
	if p[4] == lifeFrame {
		if len(p) > 5 && bytes.Count(p[5:], p[5:6]) != len(p)-5 {
			return nil, errContent
		}
		return nil, nil
	}
	b, err := c.(transport.Lender).Borrow(p[8:])
	if err != nil {
		return nil, err
	}
	for i := 0; i < b.Len(); i += 1000 {
		if b.Bytes()[i] != p[5] {
			b.Release()
			return nil, errContent
		}
	}
	return b, nil
}

// TestKilled kills a process at any moment of its life, again and again: this side notices,
// and nothing stays behind.
func TestKilled(t *testing.T) {
	leak.Check(t)
	n := *kills
	if testing.Short() || raceEnabled {
		n = min(n, 20)
	}
	began := time.Now()
	for i := range n {
		if time.Since(began) > 2*time.Minute {
			t.Logf("%d kills have to do", i)
			break
		}
		killOnce(t, i)
	}
	t.Logf("%d frames and %d blocks came in between", seen[lifeFrame].Load(), seen[lifeBlock].Load())
}

// killOnce kills while the connection is made or later; the child is either end of it.
func killOnce(t *testing.T, i int) {
	verb, step := "life", acceptUpgrade
	if i%2 == 0 {
		verb, step = "accept", offerUpgrade
	}
	c, cmd := start(t, verb, lifeOptions)
	ended := make(chan error, 1)
	go func() {
		upgraded, err := step(c)
		if err != nil {
			c.Close()
			ended <- nil
			return
		}
		ended <- life(upgraded)
	}()
	select {
	case err := <-ended:
		t.Fatal("ended before the kill: ", err)
	case <-time.After(rand.N(8 * time.Millisecond)):
	}
	check(t, cmd.Process.Signal(syscall.SIGKILL))
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the death was not noticed")
	}
	_ = cmd.Wait()
}

// TestLives lets two processes live for a while and hang up.
func TestLives(t *testing.T) {
	leak.Check(t)
	for range 5 {
		p := spawn(t, "life", lifeOptions)
		ended := make(chan error, 1)
		go func() { ended <- life(p.conn) }()
		<-time.After(20 * time.Millisecond)
		p.conn.Close()
		if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		check(t, p.cmd.Wait())
	}
}
