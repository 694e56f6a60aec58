// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

// FuzzPeer runs programs of a peer that writes what it likes into its memory and into the
// control socket, between steps of both ends that are as they should be. Whatever it does:
// no crash, no hang, and every error has a type.
func FuzzPeer(f *testing.F) {
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{2, 50, 3, 0, 0, 1, 3, 5, 8, 3, 6})
	f.Add([]byte{1, 6, 255, 255, 255, 255, 0, 0, 0, 0, 3})
	f.Add([]byte{1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 4, 5})
	f.Add([]byte{5, 1, 3, 1, 0, 0, 0, 0, 0, 0, 5, 5, 6, 7, 3})
	f.Add(slices.Concat([]byte{7, 3, 14, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{3, 3, 8, 3}))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 4096 {
			return
		}
		defer time.AfterFunc(20*time.Second, func() { panic("hung") }).Stop()
		liar, victim := pair(t, fuzzOptions)
		p := &fuzzed{t: t, rest: program, liar: liar, victim: victim}
		for range 200 {
			if len(p.rest) == 0 {
				break
			}
			fuzzSteps[int(p.byte())%len(fuzzSteps)](p)
		}
		p.receive()
		check(t, liar.Close())
		p.untilEnd()
		check(t, victim.Close())
		for _, b := range p.kept {
			b.Release()
		}
	})
}

var fuzzOptions = &shm.Options{Arenas: 4 << 20, Spin: -1}

// fuzzed is a program on its way.
type fuzzed struct {
	t            *testing.T
	rest         []byte
	liar, victim transport.Conn
	kept         []*transport.Buffer
}

func (p *fuzzed) byte() byte {
	if len(p.rest) == 0 {
		return 0
	}
	x := p.rest[0]
	p.rest = p.rest[1:]
	return x
}

func (p *fuzzed) u64() uint64 {
	var b [8]byte
	p.rest = p.rest[copy(b[:], p.rest):]
	return binary.LittleEndian.Uint64(b[:])
}

func (p *fuzzed) wants(err error) {
	if err != nil && !typed(err) {
		p.t.Errorf("%T: %v", err, err)
	}
}

var fuzzSteps = []func(*fuzzed){
	// Anything anywhere.
	func(p *fuzzed) {
		s := shm.Segment(p.liar)
		s[int(p.u64()%uint64(len(s)))] = p.byte()
	},
	// A word that matters.
	func(p *fuzzed) {
		words := []int{shm.OffConsumed, shm.OffSleep, shm.OffWait, shm.OffReturned, shm.OffEntries, shm.OffEntries + 8, shm.Position(p.liar), shm.OffData, shm.Position(p.liar) + 8}
		at := words[int(p.byte())%len(words)]
		if s := shm.Segment(p.liar); at+8 <= len(s) {
			put(s, at, p.u64())
		}
	},
	// An honest frame, or several, from the liar.
	func(p *fuzzed) {
		f := newFrame(8 + int(p.byte()))
		_, _ = p.liar.(transport.TrySender).TrySend(slices.Concat(f, f))
	},
	(*fuzzed).receive,
	// The victim sends.
	func(p *fuzzed) {
		_, err := p.victim.(transport.TrySender).TrySend(newFrame(8 + 250*int(p.byte())))
		p.wants(err)
	},
	// The victim lends.
	func(p *fuzzed) {
		b, err := p.victim.(transport.Lender).Lend(1 + 100*int(p.byte()))
		p.wants(err)
		if err == nil {
			b.Give(nil, 1)
		}
	},
	// The liar lends, and the victim borrows that or something else.
	func(p *fuzzed) {
		b, err := p.liar.(transport.Lender).Lend(1 + 100*int(p.byte()))
		if err != nil {
			return
		}
		p.borrow(b.Give(nil, 1))
	},
	func(p *fuzzed) {
		d := make([]byte, 24)
		p.rest = p.rest[copy(d, p.rest):]
		p.borrow(d)
	},
	// Anything over the socket, perhaps with a descriptor.
	func(p *fuzzed) {
		n := min(int(p.byte())%40, len(p.rest))
		var rights []byte
		if p.byte()%4 == 0 {
			rights = unix.UnixRights(unix.Stdin)
		}
		n = min(n, len(p.rest))
		bytes := p.rest[:n]
		p.rest = p.rest[n:]
		raw, err := shm.Socket(p.liar).SyscallConn()
		check(p.t, err)
		_ = raw.Control(func(fd uintptr) { _ = unix.Sendmsg(int(fd), bytes, rights, nil, unix.MSG_DONTWAIT) })
	},
}

func (p *fuzzed) borrow(d []byte) {
	b, err := p.victim.(transport.Lender).Borrow(d)
	p.wants(err)
	if err == nil {
		p.kept = append(p.kept, b)
	}
}

// receive takes what is there.
func (p *fuzzed) receive() {
	for p.victim.(transport.Readier).Ready() {
		b, err := p.victim.Recv()
		p.wants(err)
		if err != nil {
			return
		}
		b.Release()
	}
}

// untilEnd receives until the liar's hanging up is seen, or what it has done.
func (p *fuzzed) untilEnd() {
	for {
		b, err := p.victim.Recv()
		if err != nil {
			p.wants(err)
			return
		}
		b.Release()
	}
}
