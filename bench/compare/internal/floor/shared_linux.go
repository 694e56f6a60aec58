// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

var schemes = []string{"unix", "tcp", "shm"}

// arena is the memory of the blocks that are passed by reference.
const arena = 4 << 20

const memory = 2*(ringHeader+ringSize) + arena

// shared is a link over two rings. A huge payload is copied into a block of the writer's
// half of the arena, and its length is what passes the ring: there is one such block, for
// one frame under way.
type shared struct {
	out, in   *ring
	arena     []byte
	mine, his []byte // halves of the arena
	held      int    // of the record that poll or next returned, -1 for none
}

// huge is the payload from which on it does not pass the ring, and inArena marks its frame.
const (
	huge    = 256 << 10
	inArena = 1 << 31
)

func (s *shared) put(id uint32, p []byte) {
	if len(p) < huge {
		s.out.write(id, p)
		return
	}
	lab.Copy(s.mine, p)
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(p)))
	s.out.write(id|inArena, length[:])
}

func (s *shared) flush() {}

func (s *shared) poll() (uint32, []byte, bool) {
	if s.held >= 0 {
		s.in.release(s.held)
		s.held = -1
	}
	id, p, ok := s.in.peek()
	if ok {
		s.held = len(p)
	}
	if ok && id&inArena != 0 {
		return id &^ inArena, s.his[:binary.LittleEndian.Uint64(p)], true
	}
	return id, p, ok
}

func (s *shared) next() (uint32, []byte, bool) {
	for {
		if id, p, ok := s.poll(); ok {
			return id, p, true
		}
		if !s.in.wait(s.in.ready, s.in.readerSleeps, s.in.empty) {
			return 0, nil, false
		}
	}
}

func (s *shared) attend() { s.in.readerSleeps.Store(0) }

func (s *shared) crowd(waiting func() bool) { s.in.polls = waiting }

// connectRing makes the memory and passes it, with four eventfds, over a unix socket.
func connectRing(_ lab.Job, path string, who byte) (net.Conn, link, error) {
	c, err := lab.Connect(lab.Job{At: "unix://" + path})
	if err != nil {
		return nil, nil, err
	}
	fd, err := unix.MemfdCreate("floor", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.Ftruncate(fd, memory); err != nil {
		return nil, nil, err
	}
	fds := []int{fd}
	for range 4 {
		e, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return nil, nil, err
		}
		fds = append(fds, e)
	}
	s, err := newShared(fds, true)
	if err != nil {
		return nil, nil, err
	}
	_, _, err = c.(*net.UnixConn).WriteMsgUnix([]byte{who}, unix.UnixRights(fds...), nil)
	return c, s, err
}

func acceptRing(c net.Conn) (net.Conn, link, byte, error) {
	who, control := make([]byte, 1), make([]byte, 256)
	_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(who, control)
	if err != nil {
		return nil, nil, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, nil, 0, errors.Join(err, errors.New("no descriptors came"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 5 {
		return nil, nil, 0, errors.Join(err, errors.New("not five descriptors came"))
	}
	s, err := newShared(fds, false)
	return c, s, who[0], err
}

// newShared maps the memory, with all its pages. The dialler writes the first ring.
func newShared(fds []int, dials bool) (*shared, error) {
	mem, err := unix.Mmap(fds[0], 0, memory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	bell := func(i int) *os.File { return os.NewFile(uintptr(fds[i]), "bell") }
	const per = ringHeader + ringSize
	s := &shared{out: newRing(mem, bell(1), bell(2)), in: newRing(mem[per:], bell(3), bell(4)), arena: mem[2*per:], held: -1}
	s.mine, s.his = s.arena[:arena/2], s.arena[arena/2:]
	if !dials {
		s.out, s.in = s.in, s.out
		s.mine, s.his = s.his, s.mine
	}
	return s, nil
}

// lend fills a block, has it read, and gets it back.
func lend(l link, n int) (*lab.Client, error) {
	s, ok := l.(*shared)
	if !ok {
		return nil, lab.ErrCannot
	}
	content := bytes.Repeat([]byte{'x'}, n)
	descriptor := make([]byte, 16)
	block := s.arena[:n]
	return &lab.Client{Loan: func() error {
		lab.Copy(block, content)
		binary.LittleEndian.PutUint32(descriptor, uint32(n))
		s.attend()
		s.put(0, descriptor)
		if _, _, ok := s.next(); !ok {
			return errors.New("the floor has gone")
		}
		return nil
	}}, nil
}

// readLoans reads every byte of each block that it is lent.
func readLoans(l link) {
	s, ok := l.(*shared)
	if !ok {
		return
	}
	for {
		_, p, ok := s.next()
		if !ok {
			return
		}
		block := s.arena[:binary.LittleEndian.Uint32(p)]
		answer := [8]byte{}
		binary.LittleEndian.PutUint32(answer[:], uint32(bytes.Count(block, []byte{'y'})))
		s.put(0, answer[:])
	}
}
