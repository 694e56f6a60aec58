// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What travels over the control socket after the upgrade: single bytes that wake somebody,
// and notes of 16 bytes that begin with their kind. A socket that is full of them wakes
// whoever sleeps as well, so none has to be repeated.
const (
	bellData  = 1 // there is something in my ring
	bellRoom  = 2 // I have consumed something of yours
	noteArena = 3 // here is an arena; with its descriptor
	noteGone  = 4 // an arena is gone; no block of it is lent

	noteSize = 16

	// mostReads is more than a full socket needs.
	mostReads = 1 << 14
)

// control is the control socket after the upgrade. Its end is the peer's death.
type control struct {
	c      *Conn
	socket *net.UnixConn
	raw    syscall.RawConn
	ringer [bellRoom + 1]func(fd uintptr)
	bells  [bellRoom + 1]byte

	// Who reads the socket holds the token: a receiver that sleeps, or a sender. The other
	// one waits for its waiter's signal or for the token.
	token  chan struct{}
	onRead func(fd uintptr) bool

	mu     sync.Mutex // one message after the other is read and obeyed
	holder *waiter    // who has the token and reads
	over   error      // what the last read ended with
	in     inbox
	fds    []int // arrived and not yet claimed by a note
}

// inbox is what recvmsg reads into; nothing is allocated for it later.
type inbox struct {
	msg  unix.Msghdr
	iov  unix.Iovec
	buf  [64]byte
	have int // bytes in part
	part [noteSize]byte
	oob  [64]byte
}

func (k *control) init(c *Conn, socket *net.UnixConn, raw syscall.RawConn) {
	k.c, k.socket, k.raw = c, socket, raw
	k.token = make(chan struct{}, 1)
	k.onRead = k.readable
	for _, bell := range []byte{bellData, bellRoom} {
		k.bells[bell] = bell
		k.ringer[bell] = func(fd uintptr) { k.sendBell(fd, bell) }
	}
}

// ring wakes the peer. If the socket is full the peer has enough to wake up from.
func (k *control) ring(bell byte) {
	if err := k.raw.Control(k.ringer[bell]); err != nil {
		return // closed
	}
}

func (k *control) sendBell(fd uintptr, bell byte) {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&k.bells[bell])), 1, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno == unix.EPIPE || errno == unix.ECONNRESET {
		k.c.die()
	}
}

// note sends a note, with a descriptor if fd is not negative. It never waits.
func (k *control) note(p *[noteSize]byte, fd int) error {
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	var failed error
	err := k.raw.Control(func(s uintptr) {
		failed = unix.Sendmsg(int(s), p[:], rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	return errors.Join(err, failed)
}

// kick makes whoever reads the socket come back.
func (k *control) kick() { _ = k.socket.SetReadDeadline(time.Unix(1, 0)) }

func (k *control) close() {
	_ = k.socket.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropDescriptors()
}

// park sleeps until something happened that w may wait for. It may come back for nothing.
func (k *control) park(w *waiter) {
	select {
	case k.token <- struct{}{}:
	case <-w.wake:
		return
	case <-k.c.done:
		return
	}
	defer func() { <-k.token }()
	select {
	case <-w.wake: // from who had the token, or Interrupt
		return
	default:
	}
	k.hold(w)
	err := k.raw.Read(k.onRead)
	k.hold(nil)
	if err == nil {
		err = k.over
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		_ = k.socket.SetReadDeadline(time.Time{}) // the flags say whom it was for
	case errors.Is(err, net.ErrClosed): // isClosed stands
	default:
		k.c.die()
	}
}

func (k *control) hold(w *waiter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holder = w
	if w != nil {
		k.over = nil
	}
}

// readable is called back by the runtime when the socket may be read; false waits.
func (k *control) readable(fd uintptr) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.receive(fd)
	if errors.Is(err, unix.EAGAIN) {
		return false
	}
	k.over = err
	return true
}

// drain reads what the socket has, from a goroutine that does not hold the token, and
// wakes whom it was for.
func (k *control) drain() {
	err := k.raw.Control(func(fd uintptr) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for range mostReads { // a peer that never stops is not followed
			err := k.receive(fd)
			if errors.Is(err, unix.EAGAIN) {
				return
			}
			if err != nil {
				k.c.die()
				return
			}
		}
	})
	if err == nil {
		k.c.wakeAll()
	}
}

// receive reads once without waiting and does what it says. Its error is io.EOF, or the
// socket's.
func (k *control) receive(fd uintptr) error {
	in := &k.in
	in.iov.Base = &in.buf[0]
	in.iov.SetLen(len(in.buf))
	in.msg = unix.Msghdr{Iov: &in.iov, Control: &in.oob[0]}
	in.msg.SetIovlen(1)
	in.msg.SetControllen(len(in.oob))
	n, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&in.msg)), unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	switch {
	case errno == unix.EINTR || errno == unix.EAGAIN:
		return unix.EAGAIN
	case errno != 0:
		return errno
	case n == 0:
		return io.EOF
	}
	if in.msg.Controllen > 0 {
		k.takeDescriptors(in.oob[:min(int(in.msg.Controllen), len(in.oob))])
	}
	if in.msg.Flags&unix.MSG_CTRUNC != 0 {
		k.c.fail(fmt.Errorf("a descriptor from the peer was lost: too many are open here, or the peer sent several"))
		return nil
	}
	k.obey(in.buf[:n])
	return nil
}

// takeDescriptors keeps what came along, one for each note.
func (k *control) takeDescriptors(oob []byte) {
	fds, err := descriptors(oob)
	k.fds = append(k.fds, fds...)
	if err != nil || len(k.fds) > 1 {
		k.dropDescriptors()
		k.c.fail(fmt.Errorf("%w: it sent %d descriptors at a time", ErrPeer, len(fds)))
	}
}

func (k *control) dropDescriptors() {
	for _, fd := range k.fds {
		_ = unix.Close(fd)
	}
	k.fds = nil
}

// descriptors takes the descriptors out of a control message.
func descriptors(oob []byte) (fds []int, err error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	for i := range msgs {
		got, e := unix.ParseUnixRights(&msgs[i])
		if e != nil {
			err = e
		}
		fds = append(fds, got...)
	}
	return fds, err
}

// obey does what the bytes say; a note may come in parts.
func (k *control) obey(p []byte) {
	in := &k.in
	for _, x := range p {
		if in.have == 0 && x == bellData {
			k.rang(&k.c.rxWait)
			continue
		}
		if in.have == 0 && x == bellRoom {
			k.rang(&k.c.txWait)
			continue
		}
		in.part[in.have] = x
		if in.have++; in.have == noteSize {
			in.have = 0
			k.take(&in.part)
		}
	}
}

// rang wakes a waiter unless it is the one that reads.
func (k *control) rang(w *waiter) {
	if k.holder != w {
		w.signal()
	}
}

// take obeys a note.
func (k *control) take(p *[noteSize]byte) {
	id := binary.LittleEndian.Uint32(p[4:])
	var err error
	switch p[0] {
	case noteArena:
		if len(k.fds) != 1 {
			err = fmt.Errorf("%w: it announced an arena without a descriptor", ErrPeer)
			break
		}
		err = k.c.borrows.add(k.fds[0], id, int(p[1]), int(binary.LittleEndian.Uint32(p[8:])))
		k.dropDescriptors()
	case noteGone:
		err = k.c.borrows.remove(id)
	default:
		err = fmt.Errorf("%w: a note of kind %d", ErrPeer, p[0])
	}
	if err != nil {
		k.c.fail(err)
	}
}
