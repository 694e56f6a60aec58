// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

// typed reports whether an error is one of those that a caller can make something of.
func typed(err error) bool {
	var te *transport.Error
	var fe *transport.FrameError
	return err == io.EOF || errors.As(err, &te) || errors.As(err, &fe) || errors.Is(err, transport.ErrInterrupted) || errors.Is(err, transport.ErrNoBlock) || errors.Is(err, net.ErrClosed)
}

// put stores a word of the peer's, as its own code would not.
func put(p []byte, at int, v uint64) { binary.LittleEndian.PutUint64(p[at:], v) }

// rule is a rule, broken by the liar and noticed by the victim.
type rule struct {
	scribble func(t *testing.T, liar, victim transport.Conn)
	notice   func(victim transport.Conn) error
	frame    bool // it is a FrameError, not ErrPeer
}

// lendOne lends a block.
func lendOne(t *testing.T, c transport.Conn) {
	b, err := c.(transport.Lender).Lend(20_000)
	check(t, err)
	b.Give(nil, 20_000)
}

// lendUntil lends until that fails.
func lendUntil(c transport.Conn) error {
	var last error
	for range 64 {
		b, err := c.(transport.Lender).Lend(20_000)
		if err != nil {
			last = err
			break
		}
		b.Give(nil, 1)
	}
	return last
}

// recvUntil receives until that fails.
func recvUntil(c transport.Conn) error {
	for {
		b, err := c.Recv()
		if err != nil {
			return err
		}
		b.Release()
	}
}

// sendUntil sends until that fails, or there is no room.
func sendUntil(c transport.Conn) error {
	for {
		if n, err := c.(transport.TrySender).TrySend(newFrame(60_000)); n == 0 || err != nil {
			return err
		}
	}
}

var rules = map[string]rule{
	"record too long":        {func(_ *testing.T, l, _ transport.Conn) { put(shm.Segment(l), shm.Position(l), 1<<20) }, recvUntil, false},
	"record too short":       {func(_ *testing.T, l, _ transport.Conn) { put(shm.Segment(l), shm.Position(l), 5) }, recvUntil, false},
	"record of unknown kind": {func(_ *testing.T, l, _ transport.Conn) { put(shm.Segment(l), shm.Position(l), 100|7<<32) }, recvUntil, false},
	"record across the end": {func(t *testing.T, l, v transport.Conn) {
		for shm.Position(l) < len(shm.Segment(l))-1000 {
			check(t, l.Send(newFrame(500)))
			b, err := v.Recv()
			check(t, err)
			b.Release()
		}
		put(shm.Segment(l), shm.Position(l), 5000)
	}, recvUntil, false},
	"the same records again": {func(t *testing.T, l, _ transport.Conn) {
		check(t, l.Send(newFrame(500)))
		put(shm.Segment(l), shm.Position(l), 1<<32-1)
	}, recvUntil, false},
	"half a word":      {func(_ *testing.T, l, _ transport.Conn) { put(shm.Segment(l), shm.Position(l), 5<<32) }, recvUntil, false},
	"end at the start": {func(_ *testing.T, l, _ transport.Conn) { put(shm.Segment(l), shm.OffData, 1<<32-1) }, recvUntil, false},
	"frame of another length": {func(_ *testing.T, l, _ transport.Conn) {
		put(shm.Segment(l), shm.Position(l)+8, 12)
		put(shm.Segment(l), shm.Position(l), 65)
	}, recvUntil, true},
	"batch of nothing": {func(_ *testing.T, l, _ transport.Conn) { put(shm.Segment(l), shm.Position(l), 65|1<<32) }, recvUntil, true},
	"batch with a rest": {func(_ *testing.T, l, _ transport.Conn) {
		put(shm.Segment(l), shm.Position(l)+8, 60)
		put(shm.Segment(l), shm.Position(l), 65|1<<32)
	}, recvUntil, true},
	"batch of a long frame": {func(_ *testing.T, l, _ transport.Conn) {
		put(shm.Segment(l), shm.Position(l)+8, 65)
		put(shm.Segment(l), shm.Position(l), 65|1<<32)
	}, recvUntil, true},
	"consumed the future": {func(_ *testing.T, l, _ transport.Conn) { put(shm.Segment(l), shm.OffConsumed, 1<<40) }, sendUntil, false},
	"consumed backwards": {func(t *testing.T, l, v transport.Conn) {
		for range 1000 {
			check(t, v.Send(newFrame(5000)))
			b, err := l.Recv()
			check(t, err)
			b.Release()
		}
		put(shm.Segment(l), shm.OffConsumed, 64)
	}, sendUntil, false},
	"returned too many": {func(t *testing.T, l, v transport.Conn) {
		lendOne(t, v)
		put(shm.Segment(l), shm.OffReturned, 2)
	}, lendUntil, false},
	"returned another arena": {func(t *testing.T, l, v transport.Conn) {
		lendOne(t, v)
		put(shm.Segment(l), shm.OffEntries, 77)
		put(shm.Segment(l), shm.OffReturned, 1)
	}, lendUntil, false},
	"returned another block": {func(t *testing.T, l, v transport.Conn) {
		lendOne(t, v)
		put(shm.Segment(l), shm.OffEntries, 1|99<<32)
		put(shm.Segment(l), shm.OffReturned, 1)
	}, lendUntil, false},
	"returned another generation": {func(t *testing.T, l, v transport.Conn) {
		lendOne(t, v)
		put(shm.Segment(l), shm.OffEntries, 1|15<<32)
		put(shm.Segment(l), shm.OffEntries+8, 2)
		put(shm.Segment(l), shm.OffReturned, 1)
	}, lendUntil, false},
	"returned twice": {func(t *testing.T, l, v transport.Conn) {
		lendOne(t, v)
		lendOne(t, v)
		for i := range 2 {
			put(shm.Segment(l), shm.OffEntries+16*i, 1|15<<32)
			put(shm.Segment(l), shm.OffEntries+16*i+8, 1)
		}
		put(shm.Segment(l), shm.OffReturned, 2)
	}, lendUntil, false},
	"unknown note":               {func(t *testing.T, l, _ transport.Conn) { note(t, l, 9, 0, -1) }, recvUntil, false},
	"arena without a descriptor": {func(t *testing.T, l, _ transport.Conn) { note(t, l, 3, 14, -1) }, recvUntil, false},
	"arena of silly blocks":      {func(t *testing.T, l, _ transport.Conn) { note(t, l, 3, 40, unix.Stdin) }, recvUntil, false},
	"arena that is a pipe": {func(t *testing.T, l, _ transport.Conn) {
		var p [2]int
		check(t, unix.Pipe(p[:]))
		note(t, l, 3, 14, p[0])
		unix.Close(p[0])
		unix.Close(p[1])
	}, recvUntil, false},
	"gone without having been": {func(t *testing.T, l, _ transport.Conn) { note(t, l, 4, 0, -1) }, recvUntil, false},
	"two descriptors": {func(t *testing.T, l, _ transport.Conn) {
		raw, err := shm.Socket(l).SyscallConn()
		check(t, err)
		check(t, raw.Control(func(fd uintptr) {
			check(t, unix.Sendmsg(int(fd), make([]byte, 1), unix.UnixRights(0, 1), nil, 0))
		}))
	}, recvUntil, false},
}

// TestRules: each rule is broken once, and the other side says so.
func TestRules(t *testing.T) {
	for name, c := range rules {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			liar, victim := pair(t, nil)
			defer func() { _, _ = liar.Close(), victim.Close() }()
			c.scribble(t, liar, victim)
			err := c.notice(victim)
			var fe *transport.FrameError
			if c.frame && !errors.As(err, &fe) || !c.frame && !errors.Is(err, shm.ErrPeer) {
				t.Fatalf("noticed: %v", err)
			}
			if _, err := victim.Recv(); err == nil || !typed(err) {
				t.Errorf("and then: %v", err)
			}
		})
	}
}

// note sends a note over the control socket of c.
func note(t *testing.T, c transport.Conn, kind, class byte, fd int) {
	p := make([]byte, shm.NoteSize)
	p[0], p[1], p[4], p[8] = kind, class, 200, 1
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	raw, err := shm.Socket(c).SyscallConn()
	check(t, err)
	check(t, raw.Control(func(s uintptr) { check(t, unix.Sendmsg(int(s), p, rights, nil, 0)) }))
}

// TestHasty: what the peer writes is safe also while it writes it. A goroutine scribbles
// all over its segment while the other side does everything it can.
func TestHasty(t *testing.T) {
	leak.Check(t)
	rounds := 40
	if testing.Short() || raceEnabled {
		rounds = 5
	}
	for i := range rounds {
		liar, victim := pair(t, lifeOptions)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			scribble(liar, rand.New(rand.NewPCG(uint64(i), 3)), stop)
		}()
		err := life(victim)
		if err != nil && !typed(err) && err != errContent {
			t.Errorf("round %d: %v", i, err)
		}
		close(stop)
		<-stopped
		liar.Close()
	}
}

// TestScribbler is the same with a process that scribbles.
func TestScribbler(t *testing.T) {
	leak.Check(t)
	for range 10 {
		p := spawn(t, "scribble", lifeOptions)
		if err := life(p.conn); err != nil && !typed(err) && err != errContent {
			t.Error(err)
		}
		check(t, p.cmd.Wait())
	}
}

// scribbling is the child.
func scribbling(c transport.Conn) error {
	scribble(c, rand.New(rand.NewPCG(rand.Uint64(), 3)), nil)
	return nil
}

// scribble writes into the words and the ring of a segment, and its connection does honest
// things in between, so that there is something to spoil.
func scribble(c transport.Conn, r *rand.Rand, stop <-chan struct{}) {
	p := shm.Segment(c)
	words := []int{shm.OffConsumed, shm.OffSleep, shm.OffWait, shm.OffReturned, shm.OffEntries, shm.OffEntries + 8, shm.OffData}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		switch r.IntN(4) {
		case 0:
			_, _ = c.(transport.TrySender).TrySend(lifeOne(r, 8+r.IntN(1000)))
		case 1:
			put(p, words[r.IntN(len(words))], r.Uint64()>>r.IntN(64))
		case 2:
			put(p, shm.Position(c)&^7, r.Uint64()>>r.IntN(64))
		case 3:
			p[r.IntN(len(p))] = byte(r.Uint32())
		}
		if n == 20_000 {
			c.Close() // it may not have hit anything
			return
		}
	}
}
