// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one direction in shared memory. A record is a word that holds number and length,
// and the payload; the word is stored last, and the word behind it is zeroed before, so
// that the reader polls one place only. The reader tells how far it is at each eighth.
//
//	0     128          256            384             512
//	| how far reader is | reader sleeps | writer sleeps | records …
//
// The floor trusts its peer, and the sleep words are written by both: Plexus may do neither.
type ring struct {
	reached         *atomic.Uint64
	readerSleeps    *atomic.Uint32
	writerSleeps    *atomic.Uint32
	data            []byte
	full, empty     *os.File // eventfds: there is room, there is a record
	at, limit, told uint64   // own position; the writer's: what it knows of the reader; the reader's: what it told
	polls           func() bool
}

const (
	ringHeader = 512
	ringSize   = 4 << 20
	align      = 64
	skip       = 0xffffffff // the rest of the ring is unused: go on at its begin
)

// spinBudget is how long an end polls before it sleeps.
const spinBudget = 50 * time.Microsecond

func newRing(mem []byte, empty, full *os.File) *ring {
	return &ring{
		reached:      (*atomic.Uint64)(unsafe.Pointer(&mem[0])),
		readerSleeps: (*atomic.Uint32)(unsafe.Pointer(&mem[256])),
		writerSleeps: (*atomic.Uint32)(unsafe.Pointer(&mem[384])),
		data:         mem[ringHeader : ringHeader+ringSize], empty: empty, full: full,
	}
}

func (r *ring) word(p uint64) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&r.data[p])) }

func span(n int) uint64 { return (uint64(n) + 8 + align - 1) &^ (align - 1) }

// write appends a record.
func (r *ring) write(id uint32, b []byte) {
	need, p := span(len(b)), r.at%ringSize
	if p+need+8 > ringSize {
		rest := ringSize - p
		r.room(rest + need + align)
		r.word(0).Store(0)
		r.word(p).Store(skip)
		r.at += rest
		p = 0
	} else {
		r.room(need + align)
	}
	copy(r.data[p+8:], b)
	r.word(p + need).Store(0)
	r.word(p).Store(uint64(len(b)+1) | uint64(id)<<32)
	r.at += need
	wake(r.readerSleeps, r.empty)
}

// room waits until the reader has left enough of the ring.
func (r *ring) room(need uint64) {
	for r.at+need-r.limit > ringSize {
		seen := r.reached.Load()
		if seen == r.limit {
			r.wait(func() bool { return r.reached.Load() != seen }, r.writerSleeps, r.full)
		}
		r.limit = r.reached.Load()
	}
}

// peek returns the next record, in place.
func (r *ring) peek() (uint32, []byte, bool) {
	for {
		p := r.at % ringSize
		w := r.word(p).Load()
		n := uint64(uint32(w))
		switch n {
		case 0:
			return 0, nil, false
		case skip:
			r.at += ringSize - p
			continue
		}
		return uint32(w >> 32), r.data[p+8 : p+8+n-1], true
	}
}

// ready tells whether there is a record.
func (r *ring) ready() bool { return r.word(r.at%ringSize).Load() != 0 }

// release gives a record of n bytes back.
func (r *ring) release(n int) {
	r.at += span(n)
	if r.at-r.told >= ringSize/8 {
		r.told = r.at
		r.reached.Store(r.at)
		wake(r.writerSleeps, r.full)
	}
}

// wait polls, then sleeps, until done.
func (r *ring) wait(done func() bool, sleeps *atomic.Uint32, bell *os.File) bool {
	if r.poll(done) {
		return true
	}
	for {
		sleeps.Store(1)
		if done() {
			sleeps.Store(0)
			return true
		}
		var b [8]byte
		if _, err := bell.Read(b[:]); err != nil {
			return false
		}
		if done() {
			return true
		}
	}
}

// poll: some polls with a pause; then the core is offered to the peer at each, and to the
// other goroutines of this process if they have something to do.
func (r *ring) poll(done func() bool) bool {
	crowd := r.polls != nil
	if crowd && !r.polls() {
		return done()
	}
	began := time.Now()
	for i := 1; !done(); i++ {
		switch {
		case crowd:
			runtime.Gosched()
		case i < 16:
			pause()
		case i%128 == 0:
			runtime.Gosched()
		}
		if i >= 16 {
			_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			if i%16 == 0 && (time.Since(began) > spinBudget || crowd && !r.polls()) {
				return false
			}
		}
	}
	return true
}

var one = [8]byte{1}

func wake(sleeps *atomic.Uint32, bell *os.File) {
	if sleeps.Load() != 0 && sleeps.Swap(0) != 0 {
		_, _ = bell.Write(one[:])
	}
}
